// A cabinet's rights change.
//
//   in      the log: rights, keys, people, cards, devices
//   decides concerned_by() here; build_rights_document(), needs_version() in rights_document.cpp
//   writes  keys.stale_cabinets          what the log says, then taken by whoever makes the version
//           keys.rights_ended            of people who are not active any more
//           keys.cabinet_rights          locked while a version is made
//           runtime.blobs, runtime.documents, runtime.wanted
//   event   keys.rights_document_made
//   alarm   rights_too_large: the last version that did fit stays
//           rights_refused: the database refused the next version, it is tried again
//   sends   an ack with the new version to the cabinet, if it is here

#include "handlers/keys/make_rights_documents.hpp"

#include <algorithm>
#include <array>
#include <random>
#include <set>

#include "db/access/documents_store.hpp"
#include "handlers/keys/rights_document.hpp"
#include "handlers/runtime/ack.hpp"
#include "topics/limits.hpp"
#include "topics/sha256.hpp"

namespace klyuchnik::handlers::keys {

using namespace topics;

namespace {

constexpr std::string_view kReaction = "keys.rights_documents";
constexpr std::string_view kTask = "keys.look_at_all_cabinets";
constexpr std::string_view kDocument = "rights";
constexpr std::string_view kTooLarge = "rights_too_large";
constexpr std::string_view kRefused = "rights_refused";
constexpr std::chrono::hours kLookEvery{24};
constexpr std::chrono::milliseconds kLookSoon{50};
constexpr std::chrono::hours kNothingDue{1};

/// Events after which documents may differ. A word too many costs a look, one that is missing costs
/// a day.
constexpr std::array kOfKeys{"key_added",     "key_changed",   "key_removed",
                             "right_granted", "right_revoked", "right_changed"};
constexpr std::array kOfPeople{"person_added",     "person_changed",     "person_activated",
                               "cards_changed",    "person_deactivated", "person_removed",
                               "identifier_added", "identifier_removed"};
constexpr std::array kOfDevices{"device_added", "device_changed", "device_swapped", "swapped",
                                "rights_ahead"};

template <class Words>
bool is_one_of(const Words& words, const std::string& type) {
    return std::ranges::find(words, type) != words.end();
}

template <class Value>
std::vector<Value> listed(const std::set<Value>& values) {
    return {values.begin(), values.end()};
}

Salt new_salt() {
    std::random_device random;
    Salt salt{};
    for (std::size_t i = 0; i < salt.size(); i += 4) {
        const std::uint32_t bits = random();
        for (std::size_t byte = 0; byte < 4; ++byte) {
            salt[i + byte] = static_cast<std::uint8_t>(bits >> (8 * byte));
        }
    }
    return salt;
}

CabinetContent read_content(db::Tx& tx, const db::Cursor& cabinet, Instant now) {
    CabinetContent content;
    content.lease_s = cabinet.lease_s;
    content.time = db::site_time(tx, now);
    content.keys = db::cabinet_keys(tx, cabinet.device);
    // One more than may be, so that too many are seen.
    content.cards = db::cabinet_cards(tx, cabinet.device, limits::kRightsRowsMax + 1);
    return content;
}

void make_version(const CabinetContent& content, const DeviceId& cabinet, Version version,
                  Work& work, db::Tx& tx) {
    const std::string bytes = encode(build_rights_document(content, version, new_salt(), work.now));
    const std::string sha256 = to_hex(topics::sha256(bytes));
    db::add_blob(tx, sha256, bytes, work.now);
    db::add_numbered_document(tx, cabinet, kDocument, version, sha256, true, work.now);
    db::want_rights(tx, cabinet, version);
    Event& event = work.log("keys", "rights_document_made", "device:" + cabinet.text(),
                            "reaction:" + std::string{kReaction});
    event.ids.device = cabinet;
    event.ids.version = version;
    for (Outgoing& ack : announce(tx, {&cabinet, 1}, work.now)) {
        work.out.push_back(std::move(ack));
    }
}

void look_at(const db::ClaimedCabinet& claimed, Work& work, db::Tx& tx) {
    const DeviceId& device = claimed.cabinet;
    const auto cursors = db::read_cursors(tx, {&device, 1});
    // The home of a key, but no device yet: it is looked at again when it becomes one.
    if (cursors.empty()) return;
    const Version held{cursors.front().rights_held};
    const CabinetContent content = read_content(tx, cursors.front(), work.now);
    const std::string subject = "device:" + device.text();
    // Counts only if all of this is stored.
    work.alarm_over(kRefused, subject);
    db::CabinetRights rights{device, claimed.version, claimed.digest,
                             static_cast<std::int64_t>(pairs_of(content)), false};
    if (!fits(content)) {
        rights.too_large = true;
        EventIds ids;
        ids.device = device;
        ids.version = claimed.version;
        work.alarm(kTooLarge, subject, 3, ids);
        db::save_cabinet(tx, rights, work.now);
        return;
    }
    if (claimed.too_large) work.alarm_over(kTooLarge, subject);
    const std::string digest = digest_of(content);
    if (needs_version(claimed, digest, held)) {
        rights.version = next_version(claimed, held);
        rights.digest = digest;
        make_version(content, device, rights.version, work, tx);
    }
    db::save_cabinet(tx, rights, work.now);
}

/// One object for the reaction's thread: it knows which cabinet it was at when the database
/// refused.
class Maker {
 public:
    Instant follow(Work& work, db::Tx& tx, bool refused) {
        if (refused && last_) put_off(*last_, work, tx);
        last_.reset();
        if (refused) return work.now;
        const auto claimed = db::claim_cabinet(tx, work.now, work.now - kBetweenVersions);
        if (!claimed) {
            // Due, but looked at a moment ago, or at another process's hands.
            const auto next = db::next_stale_cabinet(tx);
            return next ? std::max(*next, work.now + kLookSoon) : work.now + kNothingDue;
        }
        last_ = claimed->cabinet;
        look_at(*claimed, work, tx);
        return work.now;
    }

 private:
    static void put_off(const DeviceId& cabinet, Work& work, db::Tx& tx) {
        db::postpone_cabinet(tx, cabinet, work.now + kAfterRefusal);
        EventIds ids;
        ids.device = cabinet;
        work.alarm(kRefused, "device:" + cabinet.text(), 3, ids);
    }

    std::optional<DeviceId> last_;
};

}  // namespace

Concerned concerned_by(std::span<const PlacedEvent> events) {
    std::set<DeviceId> cabinets;
    std::set<KeyId> keys;
    std::set<PersonId> people;
    Concerned concerned;
    for (const PlacedEvent& placed : events) {
        const Event& event = placed.event;
        const EventIds& ids = event.ids;
        if (event.domain == "keys" && is_one_of(kOfKeys, event.type)) {
            if (ids.key) keys.insert(*ids.key);
            // The home that a key had before it moved, too.
            if (ids.device && ids.device->cls() == "kc") cabinets.insert(*ids.device);
        } else if (event.domain == "accounts" && is_one_of(kOfPeople, event.type) && ids.person) {
            people.insert(*ids.person);
            if (event.type == "person_deactivated") {
                concerned.ended.push_back({*ids.person, event.occurred, event.source});
            }
        } else if (event.domain == "devices" && is_one_of(kOfDevices, event.type) && ids.device &&
                   ids.device->cls() == "kc") {
            cabinets.insert(*ids.device);
        }
    }
    concerned.stale = {listed(cabinets), listed(keys), listed(people)};
    return concerned;
}

Reaction make_rights_documents() {
    Reaction reaction;
    reaction.name = kReaction;
    reaction.react = [](std::span<const PlacedEvent> events, Work& work, db::Tx& tx) {
        const Concerned concerned = concerned_by(events);
        db::end_rights_of_people(tx, concerned.ended);
        db::note_stale_cabinets(tx, concerned.stale, work.now);
    };
    reaction.follow = [maker = Maker{}](Work& work, db::Tx& tx, bool refused) mutable {
        return maker.follow(work, tx, refused);
    };
    return reaction;
}

TimedTask look_at_all_cabinets() {
    return {std::string{kTask}, kLookEvery,
            [](Work& work, db::Tx& tx) { db::note_all_cabinets(tx, work.now, kLookSpread); }};
}

}  // namespace klyuchnik::handlers::keys
