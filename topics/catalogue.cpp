#include "topics/catalogue.hpp"

#include <algorithm>
#include <stdexcept>

namespace klyuchnik::topics {
namespace {

struct Meaning {
    std::string_view kind;
    std::string_view owner;
    std::string_view effect;
};

constexpr Meaning kMeanings[] = {
    {"access.granted", "keys", "logged: the cabinet let go of a key"},
    {"access.denied", "keys", "logged: somebody was turned away"},
    {"key.taken", "keys", "opens or confirms the loan; a broken rule is a conflict beside it"},
    {"key.returned", "keys", "closes the loan; without one it is a conflict"},
    {"key.misplaced", "keys", "logged"},
    {"slots.state", "keys", "logged: what was seen in every slot"},
    {"door.opened", "keys", "logged"},
    {"door.closed", "keys", "logged"},
    {"door.forced", "keys", "logged"},
    {"door.left_open", "keys", "logged"},
    {"tamper", "keys", "logged"},
    {"power", "keys", "logged"},
    {"card.tapped", "keys", "logged"},
    {"fault.reported", "keys", "logged"},
    {"cmd.accepted", "runtime", "the command is the device's now"},
    {"cmd.done", "runtime", "the command ends: done, failed, expired or unknown"},
    {"journal.overrun", "runtime", "a device gap: facts were overwritten before they were sent"},
    {"journal.bad", "runtime", "a device gap: one fact could not be read"},
    {"doc.ready", "runtime", "the server fetches the document by chunks"},
    {"firmware.failed", "runtime", "logged; the roll-out counts a failure"},
    {"scale.state", "scales", "logged"},
    {"scale.failed", "scales", "logged"},
    {"key.request", "keys", "answered from rights and loans; nothing is written"},
    {"doc.info", "runtime", "answered with version, size and hash of a document"},
    {"doc.get", "runtime", "answered with a chunk on dn/ch"},
    {"time", "runtime", "answered with the time"},
    {"slot.unlock", "keys", "one slot lets go of its key"},
    {"buzz", "devices", "the cabinet sounds"},
    {"lock", "devices", "the cabinet refuses everybody, or serves again"},
    {"reboot", "devices", "the device restarts"},
    {"settings", "devices", "time zone and heartbeat"},
    {"slots.report", "keys", "the cabinet answers with slots.state"},
    {"rights.read", "keys", "the cabinet pulls its rights document again"},
    {"logs.send", "devices", "the device offers its log as a document"},
    {"scale.read", "scales", "the gateway reads a scale's products"},
    {"scale.write", "scales", "the gateway writes a product document to a scale"},
    {"accounts.add_person", "accounts", "a person with cards"},
    {"accounts.deactivate_person", "accounts", "the person's cards open nothing any more"},
    {"accounts.open_session", "accounts", "a signed-in session"},
    {"accounts.close_session", "accounts", "the session is dead at once"},
    {"devices.add_device", "devices", "a device that may be claimed with a code"},
    {"devices.issue_claim", "devices", "another claim code for a device"},
    {"devices.claim_device", "devices", "the device's own credential, for its code"},
    {"devices.rotate_credential", "devices",
     "another credential; the old one lives on for a while"},
    {"devices.revoke_device", "devices", "the device is cut off and can not return"},
    {"devices.swap_device", "devices", "new hardware takes over the device's place"},
    {"devices.change_device", "devices", "name, place, lease, alarm when away"},
    {"devices.send_command", "devices", "a command is queued for the device"},
    {"devices.acknowledge_alarm", "devices", "somebody has seen the alarm"},
    {"devices.snooze_alarm", "devices", "the alarm is out of sight for a while"},
    {"devices.resolve_alarm", "devices", "the alarm ends, with a reason"},
    {"devices.retry_letter", "devices", "what was set aside is tried again"},
    {"devices.discard_letter", "devices", "what was set aside is given up, with a reason"},
    {"devices.add_blob_part", "devices", "a piece of an upload"},
    {"devices.add_firmware", "devices", "a signed image that may be offered"},
    {"devices.start_rollout", "devices", "firmware is offered to devices, at a limited rate"},
    {"devices.stop_rollout", "devices", "no further offers"},
    {"keys.add_key", "keys", "a key with its room and home slot"},
    {"keys.grant_right", "keys", "the person may take the key"},
    {"keys.revoke_right", "keys", "the person may not take the key any more"},
    {"keys.set_rights", "keys", "the person may take exactly these keys"},
    {"keys.issue_key", "keys", "opens the loan for a cabinet without a sensor"},
    {"keys.return_key", "keys", "closes the holder's loan"},
};

const Meaning& meaning(std::string_view kind) {
    const auto found = std::ranges::find(kMeanings, kind, &Meaning::kind);
    // A kind added to the structs and not here is a mistake of ours that the first test shows.
    if (found == std::end(kMeanings))
        throw std::logic_error{"no meaning for kind " + std::string{kind}};
    return *found;
}

void add(std::vector<Kind>& rows, Direction direction, std::vector<KindFields> kinds) {
    for (KindFields& one : kinds) {
        const Meaning& known = meaning(one.kind);
        rows.push_back({direction, one.kind, std::string{known.owner}, std::string{known.effect},
                        std::move(one.fields)});
    }
}

std::string_view direction_name(Direction direction) {
    constexpr std::string_view kNames[] = {"fact", "request", "command", "ask"};
    return kNames[static_cast<std::size_t>(direction)];
}

std::string padded(std::string text, std::size_t width) {
    if (text.size() < width) text.append(width - text.size(), ' ');
    return text;
}

}  // namespace

const std::vector<Kind>& catalogue() {
    static const std::vector<Kind> rows = [] {
        std::vector<Kind> all;
        add(all, Direction::fact, fact_fields());
        add(all, Direction::request, request_fields());
        add(all, Direction::command, command_fields());
        add(all, Direction::ask, ask_fields());
        return all;
    }();
    return rows;
}

std::string catalogue_text() {
    std::string out;
    for (const Kind& kind : catalogue()) {
        out += padded(std::string{direction_name(kind.direction)}, 9) + padded(kind.name, 28) +
               padded(kind.owner, 10) + kind.effect + "\n";
        for (const FieldInfo& field : kind.fields) {
            out += "           " + padded(field.key, 14) + padded(field.type, 9) +
                   padded(field.required ? "required" : "optional", 10) + field.unit + ", " +
                   std::to_string(field.min) + ".." + std::to_string(field.max) + "\n";
        }
    }
    return out;
}

}  // namespace klyuchnik::topics
