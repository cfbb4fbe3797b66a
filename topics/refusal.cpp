#include "topics/refusal.hpp"

#include <array>

namespace klyuchnik::topics {
namespace {

constexpr std::array kCodes{
    CodeInfo{Code::none, "ok", 0, "Done"},
    CodeInfo{Code::malformed, "malformed", 400, "The request can not be read"},
    CodeInfo{Code::expired, "expired", 408, "Too late: ask again"},
    CodeInfo{Code::reused_id, "reused_id", 422, "This id was used for another request"},
    CodeInfo{Code::unknown_ask, "unknown_ask", 404, "No such request"},
    CodeInfo{Code::unknown_card, "unknown_card", 404, "Unknown card"},
    CodeInfo{Code::unknown_person, "unknown_person", 404, "Unknown person"},
    CodeInfo{Code::unknown_key, "unknown_key", 404, "Unknown key"},
    CodeInfo{Code::unknown_device, "unknown_device", 404, "Unknown device"},
    CodeInfo{Code::unknown_account, "unknown_account", 404, "Unknown account"},
    CodeInfo{Code::inactive_person, "inactive_person", 403, "This person's access has ended"},
    CodeInfo{Code::no_right, "no_right", 403, "No right to this key"},
    CodeInfo{Code::key_held_by_other, "key_held_by_other", 409, "The key is out"},
    CodeInfo{Code::key_held_by_self, "key_held_by_self", 409, "You already hold this key"},
    CodeInfo{Code::key_not_held, "key_not_held", 409, "This person does not hold this key"},
    CodeInfo{Code::forbidden, "forbidden", 403, "Not allowed"},
    CodeInfo{Code::taken, "taken", 409, "Already in use"},
    CodeInfo{Code::invalid, "invalid", 422, "The values do not fit together"},
    CodeInfo{Code::busy, "busy", 429, "Too busy: try again in a moment"},
    CodeInfo{Code::set_aside, "set_aside", 500, "Set aside for an administrator"},
    CodeInfo{Code::unavailable, "unavailable", 503, "Not available right now"},
    CodeInfo{Code::not_served, "not_served", 501, "Not served here"},
    CodeInfo{Code::claim_refused, "claim_refused", 403, "This claim code is wrong, used or over"},
    CodeInfo{Code::inactive_device, "inactive_device", 409, "This device has been revoked"},
    CodeInfo{Code::unknown_command, "unknown_command", 404, "Unknown command"},
    CodeInfo{Code::unknown_alarm, "unknown_alarm", 404, "Unknown alarm"},
    CodeInfo{Code::unknown_letter, "unknown_letter", 404, "Unknown dead letter"},
    CodeInfo{Code::unknown_document, "unknown_document", 404, "Unknown document"},
    CodeInfo{Code::unknown_firmware, "unknown_firmware", 404, "Unknown firmware"},
    CodeInfo{Code::unknown_rollout, "unknown_rollout", 404, "Unknown roll-out"},
    CodeInfo{Code::wrong_signature, "wrong_signature", 422, "Not signed by a trusted key"},
    CodeInfo{Code::limit_reached, "limit_reached", 409, "As many as there may be: end one first"},
    CodeInfo{Code::not_open, "not_open", 409, "It has ended already"},
};

}  // namespace

const CodeInfo& info(Code code) {
    return kCodes.at(static_cast<std::size_t>(code));
}

Code code_by_name(std::string_view name) {
    for (const CodeInfo& row : kCodes) {
        if (row.name == name) return row.code;
    }
    return Code::none;
}

}  // namespace klyuchnik::topics
