#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "bridge/rest/address.hpp"
#include "bridge/rest/attempts.hpp"
#include "bridge/rest/http.hpp"
#include "bridge/rest/passwords.hpp"
#include "bridge/rest/problem.hpp"
#include "bridge/rest/read_pool.hpp"
#include "db/access/api_views.hpp"
#include "db/access/device_views.hpp"
#include "process/clock.hpp"
#include "process/metrics.hpp"
#include "topics/asks.hpp"

/// Who is asking, and what they may do.
///
///   a person    `Authorization: Bearer <token>` or the cookie klyuchnik_session
///   a cabinet   HTTP Basic, device id and secret
///   a network   only where the deployment lists it, and only for the two routes of old cabinets
///
/// Every proof is one indexed read per request: what was revoked a moment ago is refused now.
namespace klyuchnik::bridge {

inline constexpr std::string_view kSessionCookie = "klyuchnik_session";
/// A page of another site can make a browser send our cookie, but not this header.
inline constexpr std::string_view kOwnPageHeader = "x-klyuchnik";

struct Caller {
    topics::Caller by;
    topics::AccountId account;  ///< Of a person.
    std::string login;          ///< Of a person.
    std::string role;           ///< Of a person.
    topics::Instant expires;    ///< Of the session.
    std::string token;          ///< Of the session. Never logged.
};

struct AuthSettings {
    Networks legacy_networks;  ///< Old cabinets in here need no credential. Empty by default.
};

/// A device that proved itself by HTTP Basic.
struct DeviceCaller {
    topics::Caller by;
    topics::DeviceId device;
    std::string secret;  ///< The one it came with. Never logged.
};

/// Thread-safe. All throw Problem (401, 403, 429, 503) when the answer is no.
class Auth {
 public:
    Auth(AuthSettings settings, ReadPool& reads, const process::Clock& clock,
         process::Metrics& metrics);

    /// A signed-in administrator. A request that changes something and is proved by a cookie must
    /// carry kOwnPageHeader, and its Origin, where there is one, must be ours.
    Caller require_admin(const Request& request);

    /// A cabinet, an administrator, or somebody in a trusted network.
    Caller require_cabinet(const Request& request);

    /// The device itself, by its own secret and nothing else.
    DeviceCaller require_device(const Request& request);

    /// Whether the session that `caller` came with is still good: for streams.
    bool still_good(const Caller& caller);

    /// The account behind login and password. 401 without saying which was wrong.
    db::SignInRow sign_in(const std::string& login, const std::string& password,
                          const Request& request);

 private:
    Caller by_token(const std::string& token);
    DeviceCaller by_device(const Request& request, std::string_view basic);

    const AuthSettings settings_;
    ReadPool& reads_;
    const process::Clock& clock_;
    Passwords passwords_;
    Guessing sign_ins_;
    Attempts device_secrets_;
    process::Counter& refused_;
    process::Counter& slowed_;
};

/// Value of one cookie; "" when absent.
std::string_view cookie(const Request& request, std::string_view name);

/// Throws Problem 403 when a request that changes something is proved by a cookie and may come from
/// a page of somebody else.
void require_own_page(const Request& request);

/// Throws Problem 403 unless the request came over TLS or from this machine: what is answered is a
/// secret.
void require_private_line(const Request& request);

/// Who is slowed together: the client's address as Address::group.
std::string group_of(const Request& request);
/// 429 with Retry-After.
Problem too_many_attempts(std::chrono::seconds wait);

}  // namespace klyuchnik::bridge
