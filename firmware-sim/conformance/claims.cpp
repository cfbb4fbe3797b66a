#include "firmware-sim/conformance/claims.hpp"

namespace klyuchnik::sim::conformance {

constexpr std::string_view kConnection = "A connection, step by step";
constexpr std::string_view kErrors = "When an ack carries er";
constexpr std::string_view kCommands = "Requests and commands";
constexpr std::string_view kDocuments = "Documents";

const Claim kBirthComplete{"birth.complete",
                           "sends a birth that can be read, with every field, when its "
                           "subscription is granted",
                           kConnection};
const Claim kBirthRetained{"birth.retained", "sends its birth retained", kConnection};
const Claim kBirthRepeated{"birth.repeated",
                           "repeats its birth, with the same cn, until an ack carries that cn",
                           kConnection};
const Claim kBackoff{"resend.backoff",
                     "waits 5 s before the first repeat and twice as long before each next, up to "
                     "60 s, all +-50 %",
                     kConnection};
const Claim kForeignAck{"ack.foreign", "ignores an ack with another cn", kConnection};
const Claim kFactsAfterBirth{"facts.after_birth",
                             "sends no facts before an ack has answered its birth", kConnection};
const Claim kHello{"hello.answered", "sends its birth again after er hello", kErrors};
const Claim kWill{"will.cn", "leaves a retained will with the cn of its birth", kConnection};
const Claim kFreshConnection{"cn.fresh", "draws another cn for each connection", kConnection};
const Claim kConnectionKept{"connection.kept",
                            "is there, or connects again by itself, until it has been examined",
                            kConnection};
const Claim kShareKept{"share.kept", "says no more than 100 messages a second, counted over 4 s",
                       "Limits"};
const Claim kOnlyStateRetained{"retained.only_st", "sends nothing retained but st",
                               "Identity and topics"};
const Claim kReadable{"readable", "says only what the contract can read", kConnection};
const Claim kCarriesConnection{
    "cn.everywhere", "puts the cn of its birth into every batch and request", kConnection};
const Claim kHeartbeatPeriod{"heartbeat.period", "sends a heartbeat every ka seconds", kConnection};
const Claim kHeartbeatConnection{"heartbeat.cn", "puts the cn of its birth into its heartbeats",
                                 kConnection};

const Claim kBatchLimit{"batch.limit", "sends at most 32 facts in a batch", kConnection};
const Claim kBatchPacket{"batch.packet",
                         "keeps a batch of several facts within the packet size that it announced",
                         kConnection};
const Claim kOneInFlight{"batch.one_in_flight", "sends no other batch while one waits for its ack",
                         kConnection};
const Claim kBatchRepeated{"batch.repeated", "repeats a batch until it is acknowledged",
                           kConnection};
const Claim kSameBytes{"batch.same_bytes", "repeats a batch with the same bytes", kConnection};
const Claim kOldestFirst{"batch.oldest_first", "sends the oldest unacknowledged fact first",
                         kConnection};
const Claim kNoLoss{"journal.no_loss", "never says that it lost facts which it had", kConnection};
const Claim kDrains{"journal.drains", "goes on with the next facts after an ack, to the last",
                    kConnection};
const Claim kPartialAck{"ack.partial", "goes on from s+1 when an ack covers part of a batch",
                        kConnection};
const Claim kBackwardsAck{"ack.backwards", "ignores an s below what was acknowledged already",
                          kConnection};
const Claim kGap{"gap.obeyed", "sends from s+1 after er gap", kErrors};
const Claim kSlow{"slow.obeyed", "waits w seconds after er slow, then goes on", kErrors};
const Claim kBadHalved{"bad.halved", "halves a batch after er bad", kErrors};
const Claim kBadSetAside{
    "bad.set_aside", "puts journal.bad in the place of a single fact refused three times", kErrors};
const Claim kEpochTaken{"epoch.taken",
                        "takes the epoch of er epoch and sends its birth again with it", kErrors};
const Claim kEpochKeepsFacts{"epoch.keeps_facts",
                             "numbers what is unacknowledged from 1 in a new epoch and drops none",
                             kErrors};
const Claim kEpochOldNumbers{"epoch.old_numbers",
                             "keeps in o the number that a fact had before a new epoch", kErrors};

const Claim kCommandReported{"command.reported",
                             "reports a command with cmd.accepted and then cmd.done", kCommands};
const Claim kSlotsReported{"command.slots", "answers slots.report with slots.state", kCommands};
const Claim kCommandUnknown{"command.unknown",
                            "answers a command that it does not know with cmd.done rc 422 or 501",
                            kCommands};
const Claim kCommandExpired{
    "command.expired", "does not run a command after x and reports cmd.done rc 408", kCommands};
const Claim kCommandOnce{"command.once", "runs a cs that it has seen no second time", kCommands};
const Claim kCommandOrder{"command.order", "reports two commands in the order of their cs",
                          kCommands};
const Claim kCommandForeign{"command.foreign", "does not run a command with another cn", kCommands};
const Claim kCommandBeforeAck{"command.before_ack",
                              "runs no command before the first ack of a connection", kCommands};
const Claim kSettings{"settings.heartbeat", "sends heartbeats at the ka of a settings command",
                      kCommands};
const Claim kRebootCounted{"reboot.counted",
                           "comes back from reboot with a higher b and the same ep", kCommands};
const Claim kRebootKeepsFacts{"reboot.keeps_facts",
                              "has every unacknowledged fact after a reboot, under its number",
                              kConnection};
const Claim kRebootReported{"reboot.reported", "reports the reboot command once", kCommands};

const Claim kLateAnswer{"request.late_answer",
                        "decides alone when no answer came for 3 s, and ignores a later one",
                        kCommands};
const Claim kDocumentPulled{"document.pulled", "pulls the version of rights that an ack announces",
                            kDocuments};
const Claim kDocumentResumed{"document.resumed",
                             "asks again for a chunk that did not come, not from the beginning",
                             kDocuments};
const Claim kDocumentHash{
    "document.hash", "refuses a document whose SHA-256 is wrong and keeps the old one", kDocuments};

std::span<const Claim* const> all_claims() {
    static constexpr const Claim* kAll[] = {
        &kBirthComplete,
        &kBirthRetained,
        &kBirthRepeated,
        &kBackoff,
        &kForeignAck,
        &kFactsAfterBirth,
        &kHello,
        &kWill,
        &kFreshConnection,
        &kConnectionKept,
        &kShareKept,
        &kReadable,
        &kOnlyStateRetained,
        &kCarriesConnection,
        &kHeartbeatPeriod,
        &kHeartbeatConnection,
        &kBatchRepeated,
        &kSameBytes,
        &kOneInFlight,
        &kOldestFirst,
        &kBatchLimit,
        &kBatchPacket,
        &kNoLoss,
        &kDrains,
        &kPartialAck,
        &kBackwardsAck,
        &kGap,
        &kSlow,
        &kBadHalved,
        &kBadSetAside,
        &kEpochTaken,
        &kEpochKeepsFacts,
        &kEpochOldNumbers,
        &kCommandReported,
        &kSlotsReported,
        &kCommandUnknown,
        &kCommandExpired,
        &kCommandOnce,
        &kCommandOrder,
        &kCommandForeign,
        &kCommandBeforeAck,
        &kSettings,
        &kRebootCounted,
        &kRebootKeepsFacts,
        &kRebootReported,
        &kLateAnswer,
        &kDocumentPulled,
        &kDocumentResumed,
        &kDocumentHash,
    };
    return kAll;
}

}  // namespace klyuchnik::sim::conformance
