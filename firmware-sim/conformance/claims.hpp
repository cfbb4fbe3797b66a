// What a device is held to: one claim, one sentence of topics/README.md, one line of the report.
#pragma once

#include <span>
#include <string_view>

namespace klyuchnik::sim::conformance {

struct Claim {
    std::string_view id;    ///< For programs: "birth.repeated". Never renamed.
    std::string_view says;  ///< What a right device does, the subject left out.
    std::string_view see;   ///< Where topics/README.md says so.
};

/// All of them, in the order of the report.
std::span<const Claim* const> all_claims();

// Each is one object: claims are compared by address.

// -- a connection
extern const Claim kBirthComplete;
extern const Claim kBirthRetained;
extern const Claim kBirthRepeated;
extern const Claim kBackoff;
extern const Claim kForeignAck;
extern const Claim kFactsAfterBirth;
extern const Claim kHello;
extern const Claim kWill;
extern const Claim kFreshConnection;
extern const Claim kConnectionKept;
extern const Claim kShareKept;
extern const Claim kOnlyStateRetained;
extern const Claim kReadable;
extern const Claim kCarriesConnection;
extern const Claim kHeartbeatPeriod;
extern const Claim kHeartbeatConnection;

// -- the journal
extern const Claim kBatchLimit;
extern const Claim kBatchPacket;
extern const Claim kOneInFlight;
extern const Claim kBatchRepeated;
extern const Claim kSameBytes;
extern const Claim kOldestFirst;
extern const Claim kNoLoss;
extern const Claim kDrains;
extern const Claim kPartialAck;
extern const Claim kBackwardsAck;
extern const Claim kGap;
extern const Claim kSlow;
extern const Claim kBadHalved;
extern const Claim kBadSetAside;
extern const Claim kEpochTaken;
extern const Claim kEpochKeepsFacts;
extern const Claim kEpochOldNumbers;

// -- commands
extern const Claim kCommandReported;
extern const Claim kSlotsReported;
extern const Claim kCommandUnknown;
extern const Claim kCommandExpired;
extern const Claim kCommandOnce;
extern const Claim kCommandOrder;
extern const Claim kCommandForeign;
extern const Claim kCommandBeforeAck;
extern const Claim kSettings;
extern const Claim kRebootCounted;
extern const Claim kRebootKeepsFacts;
extern const Claim kRebootReported;

// -- requests and documents
extern const Claim kLateAnswer;
extern const Claim kDocumentPulled;
extern const Claim kDocumentResumed;
extern const Claim kDocumentHash;

}  // namespace klyuchnik::sim::conformance
