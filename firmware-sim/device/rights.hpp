// By what a cabinet decides while the server does not answer.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "firmware-sim/device/documents.hpp"
#include "topics/ids.hpp"

namespace klyuchnik::sim {

/// Rights kept in the device for the time without a server. The lease is not theirs: the protocol
/// looks at it before it asks here.
class CachedRights {
 public:
    virtual ~CachedRights() = default;
    virtual bool allows(const topics::CardSerial& card, const topics::KeyName& key) const = 0;
    /// Code name of the refusal; empty when the card may take the key. `utc_s` is what the device
    /// takes for the time, nothing when it knows none.
    virtual std::string_view why_not(const topics::CardSerial& card, const topics::KeyName& key,
                                     std::optional<std::int64_t> utc_s) const;

 protected:
    CachedRights() = default;
    CachedRights(const CachedRights&) = default;
    CachedRights& operator=(const CachedRights&) = default;
};

/// The rights document that was pulled; before the first one, `before` if there is one, else
/// nobody has a right.
///
/// Its words: "no_right", "not_now" (a right, but none of its windows is open, or the time that
/// windows need is not known) and "needs_server" (a key that is never given out without it).
class DocumentRights final : public CachedRights {
 public:
    /// Both must outlive this. What `documents` holds is looked up each time, so a new version
    /// counts from the moment it is current.
    explicit DocumentRights(const Documents& documents, const CachedRights* before = nullptr)
        : documents_{documents}, before_{before} {}

    bool allows(const topics::CardSerial& card, const topics::KeyName& key) const override {
        return why_not(card, key, std::nullopt).empty();
    }
    std::string_view why_not(const topics::CardSerial& card, const topics::KeyName& key,
                             std::optional<std::int64_t> utc_s) const override;

 private:
    const Documents& documents_;
    const CachedRights* before_;
};

/// Is the window open at `utc_s`, in the local time that `document` gives?
bool is_open(const topics::RightsWindow& window, const topics::RightsDocument& document,
             std::int64_t utc_s);

}  // namespace klyuchnik::sim
