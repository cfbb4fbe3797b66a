#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

/// Every size that the wire knows, with its unit in the name or the comment.
///
/// A number that only one program needs (a pool, a queue) lives in that program; what two sides
/// must agree on lives here.
namespace klyuchnik::topics::limits {

// -- packets and batches
// -------------------------------------------------------------------------------
inline constexpr std::size_t kPayloadBytesMax = 128 * 1024;  ///< Of one MQTT message, either way.
inline constexpr std::size_t kSmallPacketBytes = 256;  ///< One event fits: PubSubClient's default.
inline constexpr std::size_t kFactsPerBatchMax = 32;
inline constexpr int kJsonDepthMax =
    8;  ///< Objects and arrays inside each other; deeper is malformed.
inline constexpr std::size_t kJsonKeysMax = 4096;  ///< Of all objects of one payload together.

// -- numbers
// -------------------------------------------------------------------------------------------
inline constexpr std::int64_t kIntegerMax =
    (std::int64_t{1} << 53) - 1;                             ///< JSON readers agree up to here.
inline constexpr std::int64_t kConnectionMax = 0xFFFF'FFFF;  ///< `cn`, random, 32 bits.
inline constexpr std::int64_t kSlotMax = 512;                ///< Slots of one cabinet, from 1.
inline constexpr std::int64_t kEpochMax =
    2'000'000'000;  ///< Claimed by a birth; the next one must still fit.
inline constexpr std::int64_t kUptimeMsMax =
    std::int64_t{50} * 365 * 86'400 * 1000;  ///< Fifty years.

// -- texts, in code points
// -----------------------------------------------------------------------------
inline constexpr std::int64_t kCardCharsMax = 50;
inline constexpr std::int64_t kKeyNameCharsMax = 50;
inline constexpr std::int64_t kTagCharsMax = 32;
inline constexpr std::int64_t kPersonNameCharsMax = 100;
inline constexpr std::int64_t kRoomCharsMax = 100;
inline constexpr std::int64_t kNoteCharsMax = 200;
inline constexpr std::int64_t kRefusalDetailCharsMax =
    200;  ///< Longer details are cut before they go out.
inline constexpr std::int64_t kAskIdCharsMax = 64;

// -- lists
// ---------------------------------------------------------------------------------------------
inline constexpr std::int64_t kCardsPerPersonMax = 16;
inline constexpr std::int64_t kKeysPerAskMax = 1000;
inline constexpr std::int64_t kWitnessCardsMax =
    2;  ///< The others of the two- and three-person rule.

inline constexpr std::int64_t kDevicesPerRolloutMax = 1000;
inline constexpr std::int64_t kOpenCommandsMax = 64;  ///< Of one device; the next is refused.

// -- documents
// ---------------------------------------------------------------------------------------------
inline constexpr std::size_t kChunkHeaderBytes = 24;
inline constexpr std::size_t kChunkBytesMax = 32 * 1024;  ///< Behind the header.
inline constexpr std::size_t kChunkAroundBytes = 100;     ///< Left for topic and header in `rx`.
inline constexpr std::size_t kDocumentBytesMax = std::size_t{8} << 20;
inline constexpr std::size_t kRightsDocumentBytesMax = std::size_t{1} << 20;
inline constexpr std::int64_t kRightsRowsMax = 65'535;  ///< Pairs of card and key of one cabinet.
inline constexpr std::int64_t kChunksWantedMax = 8;     ///< Of an upload, asked for at once.
inline constexpr std::int64_t kBlobPartBytesMax = 48 * 1024;  ///< Of an upload over HTTP.
inline constexpr std::chrono::seconds kChunkRepeat{3};  ///< Unanswered: asked again after this.

// -- times
// ---------------------------------------------------------------------------------------------
inline constexpr std::chrono::seconds kHeartbeatMin{5};
inline constexpr std::chrono::seconds kHeartbeatMax{3600};
inline constexpr std::chrono::seconds kLeaseDefault{72 * 3600};
inline constexpr std::int64_t kLeaseMaxS = std::int64_t{90} * 86'400;
inline constexpr std::chrono::seconds kCommandRepeat{3};  ///< Sent and not accepted: again after.
inline constexpr std::chrono::seconds kCommandLifeMax{86'400};
inline constexpr std::int64_t kClaimLifeMaxS = std::int64_t{30} * 86'400;
inline constexpr std::int64_t kOverlapMaxS = std::int64_t{30} * 86'400;  ///< Of two credentials.
inline constexpr std::chrono::seconds kRequestDeadline{
    3};  ///< A later answer is ignored by the device.
inline constexpr std::chrono::seconds kResendFirst{
    5};  ///< A batch without an ack: again after this,
inline constexpr std::chrono::seconds kResendMax{60};    ///< doubling up to this, each ±50 %.
inline constexpr std::chrono::hours kInboxKept{7 * 24};  ///< An ask's id is remembered so long.
inline constexpr std::int64_t kTrustedTimeMin =
    1'704'067'200;  ///< 2024-01-01; a device clock before it is unset.
inline constexpr std::int64_t kTrustedTimeMax = 4'102'444'800;  ///< 2100-01-01.

}  // namespace klyuchnik::topics::limits
