#pragma once

#include <cstdint>
#include <string>
#include <string_view>

/// Why the system said no.
namespace klyuchnik::topics {

/// Goes over the wire by its name and into the log and the inbox: append only, never rename.
enum class Code : std::uint8_t {
    none,         ///< Not refused.
    malformed,    ///< The bytes are not what the contract says.
    expired,      ///< Came, or was reached, after its expiry.
    reused_id,    ///< The same ask id with another body.
    unknown_ask,  ///< No such ask in this domain.
    unknown_card,
    unknown_person,
    unknown_key,
    unknown_device,
    unknown_account,
    inactive_person,
    no_right,  ///< This person may not take this key.
    key_held_by_other,
    key_held_by_self,
    key_not_held,   ///< A return by somebody who does not hold it.
    forbidden,      ///< The asking account may not do this.
    taken,          ///< A name, card, tag or place that must be unique is in use.
    invalid,        ///< Well formed, but the values do not fit together.
    busy,           ///< A limit was reached: ask again later.
    set_aside,      ///< The database refused it; kept as a dead letter for a person to look at.
    unavailable,    ///< The database is away.
    not_served,     ///< Known to the contract, not to this server.
    claim_refused,  ///< Code wrong, used, over, or of another device: deliberately not said which.
    inactive_device,  ///< Revoked: nothing is sent to it and nothing taken from it.
    unknown_command,
    unknown_alarm,
    unknown_letter,
    unknown_document,
    unknown_firmware,
    unknown_rollout,
    wrong_signature,  ///< Not signed by a key that this deployment trusts.
    limit_reached,    ///< As many as there may be at once: one must end first.
    not_open,         ///< It has ended already: nothing can be done with it any more.
};

/// One row for every code: its wire name, its HTTP-like `rc`, and a text for a display.
struct CodeInfo {
    Code code;
    std::string_view name;
    int rc;
    std::string_view text;
};

const CodeInfo& info(Code code);
/// `Code::none` for a name that is not ours.
Code code_by_name(std::string_view name);

/// An answer that the caller must expect: a value, stored with the ask and sent as the reply.
struct Refusal {
    Code code = Code::none;
    std::string detail;  ///< For a person; programs look at `code` only.
    bool operator==(const Refusal&) const = default;
};

}  // namespace klyuchnik::topics
