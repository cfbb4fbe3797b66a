#include "firmware-sim/conformance/broken.hpp"

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "topics/codec.hpp"

namespace klyuchnik::sim::conformance {
namespace {

using topics::Ack;
using topics::AckError;
using topics::Birth;
using topics::Command;
using topics::Connection;
using topics::FactBatch;
using topics::Level;

constexpr std::int64_t kAllBits = topics::limits::kConnectionMax;

Connection another(Connection cn) {
    return Connection{cn.value ^ kAllBits};
}

bool is_batch(const Publish& publish) {
    return publish.level == Level::facts;
}
bool is_birth(const Publish& publish) {
    return publish.level == Level::state;
}
bool is_heartbeat(const Publish& publish) {
    return publish.level == Level::telemetry;
}

// -- what is said, changed
// ------------------------------------------------------------------------------
/// `change` may change what goes out; false keeps it back.
Mistake saying(std::function<bool(BenchDevice&, Publish&)> change) {
    Mistake mistake;
    mistake.says = [change = std::move(change)](BenchDevice& device, Publish publish) {
        if (change(device, publish)) device.send(publish);
    };
    return mistake;
}

Mistake saying_births(std::function<bool(Birth&)> change) {
    return saying([change = std::move(change)](BenchDevice&, Publish& publish) {
        if (!is_birth(publish)) return true;
        Birth birth = std::get<Birth>(*topics::decode_state(publish.payload));
        const bool goes = change(birth);
        publish.payload = topics::encode(birth);
        return goes;
    });
}

Mistake saying_batches(std::function<bool(BenchDevice&, FactBatch&, Said)> change) {
    return saying([change = std::move(change)](BenchDevice& device, Publish& publish) {
        if (!is_batch(publish)) return true;
        FactBatch batch = *topics::decode_facts(publish.payload);
        const bool goes = change(device, batch, publish.what);
        publish.payload = topics::encode(batch);
        return goes;
    });
}

// -- what is heard, changed
// -----------------------------------------------------------------------------
/// `change` may change what came; false: it is not heard.
Mistake hearing_acks(std::function<bool(BenchDevice&, Ack&)> change) {
    Mistake mistake;
    mistake.hears = [change = std::move(change)](BenchDevice& device, Level level,
                                                 const std::string& payload) {
        if (level != Level::ack) return device.take(level, payload);
        Ack ack = *topics::decode_ack(payload);
        if (change(device, ack)) device.take(level, topics::encode(ack));
    };
    return mistake;
}

Mistake deaf_to(AckError error) {
    return hearing_acks([error](BenchDevice&, const Ack& ack) { return ack.error != error; });
}

Mistake hearing_commands(std::function<bool(BenchDevice&, Command&)> change) {
    Mistake mistake;
    mistake.hears = [change = std::move(change)](BenchDevice& device, Level level,
                                                 const std::string& payload) {
        if (level != Level::command) return device.take(level, payload);
        Command command = *topics::decode_command(payload);
        if (change(device, command)) device.take(level, topics::encode(command));
    };
    return mistake;
}

void run_behind_the_protocols_back(BenchDevice& device, const Command& command) {
    device.record(topics::CommandAccepted{command.number});
    if (std::holds_alternative<topics::SlotsReport>(command.body)) device.report_slots();
    device.record(topics::CommandDone{command.number, 0, std::nullopt});
}

// -- the mistakes
// ------------------------------------------------------------------------------------------

Mistake birth_without_firmware() {
    return saying([](BenchDevice&, Publish& publish) {
        if (!is_birth(publish)) return true;
        const auto at = publish.payload.find(",\"fw\"");
        publish.payload = publish.payload.substr(0, at) + "}";
        return true;
    });
}

Mistake birth_not_retained() {
    return saying([](BenchDevice&, Publish& publish) {
        if (is_birth(publish)) publish.retained = false;
        return true;
    });
}

Mistake never_repeats_its_birth() {
    const auto may = std::make_shared<bool>(true);
    Mistake mistake = saying([may](BenchDevice&, const Publish& publish) {
        return !is_birth(publish) || std::exchange(*may, false);
    });
    mistake.draws = [may](Connection cn) {
        *may = true;
        return cn;
    };
    mistake.hears = [may](BenchDevice& device, Level level, const std::string& payload) {
        if (level == Level::ack && topics::decode_ack(payload)->error != AckError::none) {
            *may = true;
        }
        device.take(level, payload);
    };
    return mistake;
}

Mistake repeats_at_a_fixed_pace() {
    Mistake mistake;
    mistake.adjusts = [](BenchSettings& settings) {
        settings.device.resend_max = settings.device.resend_first;
    };
    return mistake;
}

Mistake takes_acks_of_others() {
    return hearing_acks([](const BenchDevice& device, Ack& ack) {
        ack.cn = device.cn();
        return true;
    });
}

Mistake facts_before_the_first_ack() {
    return saying([](BenchDevice& device, const Publish& publish) {
        device.send(publish);
        if (is_birth(publish) && !device.journal().empty()) {
            device.send({Level::facts, topics::encode(device.batch_of(0, 1)), false, Said::batch});
        }
        return false;
    });
}

Mistake will_of_another_connection() {
    Mistake mistake;
    mistake.wills = another;
    return mistake;
}

Mistake one_cn_for_ever() {
    Mistake mistake;
    mistake.draws = [](Connection) { return Connection{42}; };
    return mistake;
}

Mistake unreadable_heartbeat() {
    return saying([said = false](BenchDevice&, Publish& publish) mutable {
        if (is_heartbeat(publish) && !std::exchange(said, true)) {
            publish.payload.insert(publish.payload.size() - 1, ",\"v\":1");
        }
        return true;
    });
}

Mistake retained_batches() {
    return saying([](BenchDevice&, Publish& publish) {
        if (is_batch(publish)) publish.retained = true;
        return true;
    });
}

Mistake batches_of_another_connection() {
    return saying_batches([said = false](BenchDevice&, FactBatch& batch, Said) mutable {
        if (!std::exchange(said, true)) batch.cn = another(batch.cn);
        return true;
    });
}

Mistake no_heartbeat() {
    return saying([](BenchDevice&, const Publish& publish) { return !is_heartbeat(publish); });
}

Mistake heartbeats_of_another_connection() {
    return saying([](BenchDevice& device, Publish& publish) {
        if (!is_heartbeat(publish)) return true;
        topics::Heartbeat heartbeat = *topics::decode_heartbeat(publish.payload);
        heartbeat.cn = another(device.cn());
        publish.payload = topics::encode(heartbeat);
        return true;
    });
}

Mistake sends_a_batch_once() {
    return saying_batches(
        [](BenchDevice&, const FactBatch&, Said what) { return what != Said::batch_again; });
}

Mistake new_bytes_on_repeat() {
    return saying_batches([](BenchDevice&, FactBatch& batch, Said what) {
        if (what == Said::batch_again) ++*batch.facts.front().at.utc_s;
        return true;
    });
}

Mistake two_batches_in_flight() {
    return saying([](BenchDevice& device, const Publish& publish) {
        device.send(publish);
        if (is_batch(publish) && publish.what == Said::batch) {
            const std::size_t count = topics::decode_facts(publish.payload)->facts.size();
            if (device.journal().size() > count) {
                device.send(
                    {Level::facts, topics::encode(device.batch_of(count, 1)), false, Said::batch});
            }
        }
        return false;
    });
}

Mistake newest_first() {
    static constexpr std::size_t kMany = 20;
    return saying_batches(
        [said = false](const BenchDevice& device, FactBatch& batch, Said) mutable {
            if (said || device.held() < batch.facts.size() + kMany) return true;
            said = true;
            batch = device.batch_of(device.held() - 1, 1);
            return true;
        });
}

Mistake forty_facts_in_a_batch() {
    constexpr std::size_t kTooMany = 40;
    Mistake mistake = saying([said = false](BenchDevice& device, Publish& publish) mutable {
        if (is_batch(publish) && device.held() >= kTooMany && !std::exchange(said, true)) {
            publish.payload = topics::encode(device.batch_of(0, kTooMany));
        }
        return true;
    });
    mistake.adjusts = [](BenchSettings& settings) { settings.device.packet_bytes_max = 16'384; };
    return mistake;
}

Mistake packets_beyond_what_it_announced() {
    Mistake mistake = saying_births([](Birth& birth) {
        birth.packet_bytes_max = topics::limits::kSmallPacketBytes;
        return true;
    });
    return mistake;
}

Mistake a_journal_too_small() {
    Mistake mistake;
    mistake.adjusts = [](BenchSettings& settings) { settings.journal.facts_max = 20; };
    return mistake;
}

Mistake repeats_what_is_acknowledged() {
    struct Stuck {
        std::string payload;
        std::optional<Elapsed> since;
    };
    static constexpr std::size_t kWhenHeld = 40;
    static constexpr Elapsed kStuckFor = std::chrono::minutes{11};
    const auto stuck = std::make_shared<Stuck>();
    Mistake mistake = saying([stuck](BenchDevice& device, const Publish& publish) {
        if (!is_batch(publish)) return true;
        if (!stuck->since && device.held() >= kWhenHeld) {
            stuck->payload = publish.payload;
            stuck->since = device.now();
        }
        return true;
    });
    mistake.waits = [stuck](BenchDevice& device) {
        if (!stuck->since || device.now() > *stuck->since + kStuckFor) return;
        const FactBatch batch = *topics::decode_facts(stuck->payload);
        if (device.journal().acked() < batch.first) return;
        device.send({Level::facts, stuck->payload, false, Said::batch_again});
    };
    return mistake;
}

Mistake deaf_to_partial_acks() {
    const auto last = std::make_shared<FactBatch>();
    Mistake mistake = hearing_acks([last](BenchDevice&, const Ack& ack) {
        const std::int64_t end =
            last->first.value + static_cast<std::int64_t>(last->facts.size()) - 1;
        const bool partial = ack.acked >= last->first && ack.acked.value < end;
        return ack.error != AckError::none || !partial;
    });
    mistake.says = [last](BenchDevice& device, const Publish& publish) {
        if (is_batch(publish)) *last = *topics::decode_facts(publish.payload);
        device.send(publish);
    };
    return mistake;
}

Mistake forgets_with_an_ack_that_goes_back() {
    return hearing_acks([](BenchDevice& device, Ack& ack) {
        if (ack.error == AckError::none && ack.acked < device.journal().acked()) {
            ack.acked = device.journal().last();
        }
        return true;
    });
}

Mistake goes_on_in_spite_of_slow() {
    return hearing_acks([](BenchDevice&, Ack& ack) {
        if (ack.error == AckError::slow) ack.error = AckError::none;
        return true;
    });
}

Mistake never_sets_a_fact_aside() {
    const auto single = std::make_shared<bool>(false);
    Mistake mistake = hearing_acks(
        [single](BenchDevice&, const Ack& ack) { return ack.error != AckError::bad || !*single; });
    mistake.says = [single](BenchDevice& device, const Publish& publish) {
        if (is_batch(publish)) {
            *single = topics::decode_facts(publish.payload)->facts.size() == 1;
        }
        device.send(publish);
    };
    return mistake;
}

Mistake silent_about_its_new_epoch() {
    return saying_births([](const Birth& birth) { return birth.epoch.value == 0; });
}

Mistake drops_facts_at_a_new_epoch() {
    return hearing_acks([](BenchDevice& device, const Ack& ack) {
        if (ack.error == AckError::epoch && ack.cn == device.cn()) {
            device.journal().acknowledge(device.journal().last());
        }
        return true;
    });
}

Mistake forgets_old_numbers() {
    return saying_batches([](BenchDevice&, FactBatch& batch, Said) {
        for (topics::Fact& fact : batch.facts) fact.old.reset();
        return true;
    });
}

Mistake accepts_without_saying_so() {
    return saying_batches([](BenchDevice&, FactBatch& batch, Said) {
        for (topics::Fact& fact : batch.facts) {
            if (std::holds_alternative<topics::CommandAccepted>(fact.body)) {
                fact.body = topics::DoorClosed{};
            }
        }
        return true;
    });
}

Mistake no_slots_in_its_report() {
    Mistake mistake;
    mistake.adjusts = [](BenchSettings& settings) { settings.slots = 0; };
    return mistake;
}

Mistake silent_about_unknown_commands() {
    return hearing_commands([](BenchDevice&, const Command& command) {
        return !std::holds_alternative<topics::UnknownCommand>(command.body);
    });
}

Mistake runs_late_commands() {
    constexpr std::int64_t kLater_s = 3600;
    return hearing_commands([](BenchDevice&, Command& command) {
        command.expires_s += kLater_s;
        return true;
    });
}

Mistake runs_a_repeated_command() {
    return hearing_commands(
        [seen = std::set<std::int64_t>{}](BenchDevice& device, const Command& command) mutable {
            if (device.cn() != command.cn) return false;
            if (!seen.insert(command.number).second) {
                run_behind_the_protocols_back(device, command);
            }
            return true;
        });
}

Mistake swaps_commands() {
    struct Kept {
        std::string payload;
        Elapsed since{0};
    };
    static constexpr Elapsed kKeptFor = std::chrono::milliseconds{100};
    const auto kept = std::make_shared<std::optional<Kept>>();
    Mistake mistake;
    mistake.hears = [kept](BenchDevice& device, Level level, const std::string& payload) {
        if (level != Level::command) return device.take(level, payload);
        if (!*kept) {
            *kept = Kept{payload, device.now()};
            return;
        }
        device.take(level, payload);
        device.take(level, std::exchange(*kept, std::nullopt)->payload);
    };
    mistake.waits = [kept](BenchDevice& device) {
        if (!*kept || device.now() < (*kept)->since + kKeptFor) return;
        device.take(Level::command, std::exchange(*kept, std::nullopt)->payload);
    };
    return mistake;
}

Mistake runs_commands_of_others() {
    return hearing_commands([](const BenchDevice& device, Command& command) {
        command.cn = device.cn();
        return true;
    });
}

Mistake runs_commands_before_the_first_ack() {
    return hearing_commands([](BenchDevice& device, const Command& command) {
        if (device.online()) return true;
        run_behind_the_protocols_back(device, command);
        return false;
    });
}

Mistake deaf_to_settings() {
    return hearing_commands([](BenchDevice&, Command& command) {
        if (auto* settings = std::get_if<topics::SettingsCommand>(&command.body)) {
            settings->heartbeat_s.reset();
        }
        return true;
    });
}

Mistake does_not_count_its_boots() {
    return saying_births([](Birth& birth) {
        birth.boot = 1;
        return true;
    });
}

Mistake forgets_its_journal_at_a_reboot() {
    Mistake mistake;
    mistake.boots = [](Journal& journal) { journal.acknowledge(journal.last()); };
    return mistake;
}

Mistake silent_about_its_reboot() {
    const auto reboot = std::make_shared<std::int64_t>(0);
    Mistake mistake = saying_batches([reboot](BenchDevice&, FactBatch& batch, Said) {
        for (topics::Fact& fact : batch.facts) {
            const auto* done = std::get_if<topics::CommandDone>(&fact.body);
            if (done != nullptr && *reboot > 0 && done->command == *reboot) {
                fact.body = topics::DoorClosed{};
            }
        }
        return true;
    });
    mistake.boots = [reboot](const Journal& journal) { *reboot = journal.command_finished(); };
    return mistake;
}

Mistake believes_a_late_answer() {
    const auto asked = std::make_shared<std::map<std::int64_t, topics::KeyRequest>>();
    Mistake mistake;
    mistake.says = [asked](BenchDevice& device, const Publish& publish) {
        if (publish.level == Level::request) {
            const auto request = topics::decode_request(publish.payload);
            if (const auto* key = std::get_if<topics::KeyRequest>(&request->body)) {
                asked->emplace(request->number, *key);
            }
        }
        device.send(publish);
    };
    mistake.hears = [asked](BenchDevice& device, Level level, const std::string& payload) {
        if (level == Level::answer) {
            const auto answer = topics::decode_request_answer(payload);
            const auto question = asked->find(answer->number);
            if (answer->rc == 0 && question != asked->end()) {
                device.record(topics::AccessGranted{answer->number, question->second.card,
                                                    question->second.key});
            }
        }
        device.take(level, payload);
    };
    return mistake;
}

Mistake decides_too_late() {
    Mistake mistake;
    mistake.adjusts = [](BenchSettings& settings) { settings.device.request_deadline *= 2; };
    return mistake;
}

Mistake decides_twice() {
    return saying_batches([](BenchDevice& device, const FactBatch& batch, Said what) {
        if (what != Said::batch) return true;
        for (const topics::Fact& fact : batch.facts) {
            const auto* denied = std::get_if<topics::AccessDenied>(&fact.body);
            if (denied != nullptr && denied->why != "twice") {
                device.record(topics::AccessDenied{denied->card, denied->key, "twice"});
            }
        }
        return true;
    });
}

/// Says that it is gone, as the broker would, in a quiet moment of a run that is under way.
Mistake goes_away_for_good() {
    static constexpr std::int64_t kAfterFacts = 60;
    static constexpr Elapsed kQuietFor = std::chrono::milliseconds{500};
    struct Gone {
        std::optional<Elapsed> quiet_since;
        bool gone = false;
    };
    const auto its = std::make_shared<Gone>();
    Mistake mistake = saying([its](BenchDevice&, const Publish&) { return !its->gone; });
    mistake.waits = [its](BenchDevice& device) {
        if (its->gone) return;
        if (!device.online() || device.held() > 0 || device.journal().last().value < kAfterFacts) {
            its->quiet_since.reset();
        } else if (!its->quiet_since) {
            its->quiet_since = device.now();
        } else if (device.now() >= *its->quiet_since + kQuietFor) {
            its->gone = true;
            device.send(
                {Level::state, topics::encode(topics::Will{device.cn()}), true, Said::birth});
        }
    };
    return mistake;
}

Mistake talks_too_much() {
    static constexpr Elapsed kFor = std::chrono::seconds{5};
    static constexpr int kEachTick = 8;
    struct Talk {
        Elapsed began{0};
        Elapsed next{0};
        std::int64_t number = 900'000'000;
    };
    Mistake mistake;
    mistake.waits = [talk = std::make_shared<std::optional<Talk>>()](BenchDevice& device) {
        if (!device.online() && !*talk) return;
        if (!*talk) *talk = Talk{device.now(), device.now()};
        if (device.now() < (*talk)->next || device.now() > (*talk)->began + kFor) return;
        (*talk)->next = device.now() + kMistakeTick;
        for (int i = 0; i < kEachTick; ++i) {
            topics::Request request;
            request.cn = device.cn();
            request.number = (*talk)->number++;
            request.body = topics::TimeRequest{};
            device.send({Level::request, topics::encode(request), false, Said::request});
        }
    };
    return mistake;
}

template <class Body>
const Body* asks_for(const Publish& publish, topics::Decoded<topics::Request>& request) {
    if (publish.level != Level::request) return nullptr;
    request = topics::decode_request(publish.payload);
    return std::get_if<Body>(&request->body);
}

Mistake never_asks_for_documents() {
    return saying([](BenchDevice&, const Publish& publish) {
        topics::Decoded<topics::Request> request{topics::Request{}};
        return asks_for<topics::DocumentInfo>(publish, request) == nullptr;
    });
}

Mistake begins_a_document_again() {
    return saying(
        [seen = std::set<std::int64_t>{}, again = false](BenchDevice&, Publish& publish) mutable {
            topics::Decoded<topics::Request> request{topics::Request{}};
            const auto* get = asks_for<topics::DocumentGet>(publish, request);
            if (get == nullptr || seen.insert(get->index).second || std::exchange(again, true)) {
                return true;
            }
            topics::DocumentGet first = *get;
            first.index = 0;
            request->body = first;
            publish.payload = topics::encode(*request);
            return true;
        });
}

Mistake believes_any_document() {
    const auto announced = std::make_shared<std::int64_t>(0);
    Mistake mistake = saying_births([announced](Birth& birth) {
        birth.rights_version = std::max(birth.rights_version, *announced);
        return true;
    });
    mistake.hears = [announced](BenchDevice& device, Level level, const std::string& payload) {
        if (level == Level::ack) *announced = topics::decode_ack(payload)->rights_version;
        device.take(level, payload);
    };
    return mistake;
}

constexpr BrokenDevice kBroken[] = {
    {"birth-without-firmware", kBirthComplete, birth_without_firmware},
    {"birth-not-retained", kBirthRetained, birth_not_retained},
    {"never-repeats-its-birth", kBirthRepeated, never_repeats_its_birth},
    {"repeats-at-a-fixed-pace", kBackoff, repeats_at_a_fixed_pace},
    {"takes-acks-of-others", kForeignAck, takes_acks_of_others},
    {"facts-before-the-first-ack", kFactsAfterBirth, facts_before_the_first_ack},
    {"deaf-to-hello", kHello, [] { return deaf_to(AckError::hello); }},
    {"will-of-another-connection", kWill, will_of_another_connection},
    {"one-cn-for-ever", kFreshConnection, one_cn_for_ever},
    {"goes-away-for-good", kConnectionKept, goes_away_for_good},
    {"talks-too-much", kShareKept, talks_too_much},
    {"unreadable-heartbeat", kReadable, unreadable_heartbeat},
    {"retained-batches", kOnlyStateRetained, retained_batches},
    {"batches-of-another-connection", kCarriesConnection, batches_of_another_connection},
    {"no-heartbeat", kHeartbeatPeriod, no_heartbeat},
    {"heartbeats-of-another-connection", kHeartbeatConnection, heartbeats_of_another_connection},
    {"sends-a-batch-once", kBatchRepeated, sends_a_batch_once},
    {"new-bytes-on-repeat", kSameBytes, new_bytes_on_repeat},
    {"two-batches-in-flight", kOneInFlight, two_batches_in_flight},
    {"newest-first", kOldestFirst, newest_first},
    {"forty-facts-in-a-batch", kBatchLimit, forty_facts_in_a_batch},
    {"packets-beyond-what-it-announced", kBatchPacket, packets_beyond_what_it_announced},
    {"a-journal-too-small", kNoLoss, a_journal_too_small},
    {"repeats-what-is-acknowledged", kDrains, repeats_what_is_acknowledged},
    {"deaf-to-partial-acks", kPartialAck, deaf_to_partial_acks},
    {"forgets-with-an-ack-that-goes-back", kBackwardsAck, forgets_with_an_ack_that_goes_back},
    {"deaf-to-gap", kGap, [] { return deaf_to(AckError::gap); }},
    {"goes-on-in-spite-of-slow", kSlow, goes_on_in_spite_of_slow},
    {"deaf-to-bad", kBadHalved, [] { return deaf_to(AckError::bad); }},
    {"never-sets-a-fact-aside", kBadSetAside, never_sets_a_fact_aside},
    {"silent-about-its-new-epoch", kEpochTaken, silent_about_its_new_epoch},
    {"drops-facts-at-a-new-epoch", kEpochKeepsFacts, drops_facts_at_a_new_epoch},
    {"forgets-old-numbers", kEpochOldNumbers, forgets_old_numbers},
    {"accepts-without-saying-so", kCommandReported, accepts_without_saying_so},
    {"no-slots-in-its-report", kSlotsReported, no_slots_in_its_report},
    {"silent-about-unknown-commands", kCommandUnknown, silent_about_unknown_commands},
    {"runs-late-commands", kCommandExpired, runs_late_commands},
    {"runs-a-repeated-command", kCommandOnce, runs_a_repeated_command},
    {"swaps-commands", kCommandOrder, swaps_commands},
    {"runs-commands-of-others", kCommandForeign, runs_commands_of_others},
    {"runs-commands-before-the-first-ack", kCommandBeforeAck, runs_commands_before_the_first_ack},
    {"deaf-to-settings", kSettings, deaf_to_settings},
    {"does-not-count-its-boots", kRebootCounted, does_not_count_its_boots},
    {"forgets-its-journal-at-a-reboot", kRebootKeepsFacts, forgets_its_journal_at_a_reboot},
    {"silent-about-its-reboot", kRebootReported, silent_about_its_reboot},
    {"believes-a-late-answer", kLateAnswer, believes_a_late_answer},
    {"decides-too-late", kLateAnswer, decides_too_late},
    {"decides-twice", kLateAnswer, decides_twice},
    {"never-asks-for-documents", kDocumentPulled, never_asks_for_documents},
    {"begins-a-document-again", kDocumentResumed, begins_a_document_again},
    {"believes-any-document", kDocumentHash, believes_any_document},
};

}  // namespace

std::span<const BrokenDevice> broken_devices() {
    return kBroken;
}

const BrokenDevice* find_broken(std::string_view name) {
    const auto found = std::ranges::find(kBroken, name, &BrokenDevice::name);
    return found == std::end(kBroken) ? nullptr : &*found;
}

}  // namespace klyuchnik::sim::conformance
