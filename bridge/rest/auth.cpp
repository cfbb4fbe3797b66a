#include "bridge/rest/auth.hpp"

#include <algorithm>
#include <optional>

#include "bridge/rest/problem.hpp"
#include "bridge/rest/secrets.hpp"
#include "db/access/device_views.hpp"
#include "process/log.hpp"

namespace klyuchnik::bridge {
namespace {

constexpr std::size_t kTokenCharsMax = 128;

/// "Bearer x" → "x" when the scheme is `scheme`, in any case.
std::optional<std::string_view> credentials(std::string_view header, std::string_view scheme) {
    if (header.size() <= scheme.size() || header[scheme.size()] != ' ') return std::nullopt;
    for (std::size_t i = 0; i < scheme.size(); ++i) {
        if ((header[i] | 0x20) != (scheme[i] | 0x20)) return std::nullopt;
    }
    return header.substr(scheme.size() + 1);
}

Problem needs_device() {
    Problem problem = not_signed_in("A device credential (HTTP Basic) is needed");
    problem.headers = {{"WWW-Authenticate", "Basic realm=\"klyuchnik\""}};
    return problem;
}

}  // namespace

std::string group_of(const Request& request) {
    const auto address = Address::parse(request.address);
    return address ? address->group() : request.address;
}

Problem too_many_attempts(std::chrono::seconds wait) {
    return {429, "busy", "Too many attempts: wait and try again",
            static_cast<int>(std::max<std::int64_t>(wait.count(), 1))};
}

void require_private_line(const Request& request) {
    if (request.secure) return;
    const auto address = Address::parse(request.address);
    if (address && address->is_loopback()) return;
    throw Problem{403, "forbidden", "This is answered over HTTPS only"};
}

std::string_view cookie(const Request& request, std::string_view name) {
    std::string_view rest = request.header("cookie");
    while (!rest.empty()) {
        const std::size_t end = rest.find(';');
        std::string_view one = rest.substr(0, end);
        rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
        while (!one.empty() && one.front() == ' ') one.remove_prefix(1);
        const std::size_t equals = one.find('=');
        if (equals != std::string_view::npos && one.substr(0, equals) == name) {
            return one.substr(equals + 1);
        }
    }
    return {};
}

void require_own_page(const Request& request) {
    if (request.method == "GET" || request.method == "HEAD") return;
    if (request.header(kOwnPageHeader) != "1") {
        throw Problem{403, "forbidden",
                      "A request with a session cookie needs the header X-Klyuchnik: 1"};
    }
    std::string_view origin = request.header("origin");
    if (origin.empty()) return;
    const std::size_t scheme = origin.find("://");
    if (scheme != std::string_view::npos) origin.remove_prefix(scheme + 3);
    if (origin != request.header("host")) {
        throw Problem{403, "forbidden", "Requests from pages of other origins are not served"};
    }
}

Auth::Auth(AuthSettings settings, ReadPool& reads, const process::Clock& clock,
           process::Metrics& metrics)
    : settings_{std::move(settings)},
      reads_{reads},
      clock_{clock},
      sign_ins_{clock},
      device_secrets_{kAddressAttempts, clock},
      refused_{metrics.counter("klyuchnik_bridge_credentials_refused_total",
                               "Passwords, tokens and device secrets that were wrong")},
      slowed_{
          metrics.counter("klyuchnik_bridge_attempts_slowed_total", "Attempts that had to wait")} {}

Caller Auth::by_token(const std::string& token) {
    if (token.empty() || token.size() > kTokenCharsMax) {
        refused_.inc();
        throw not_signed_in("The session is over or never was: sign in");
    }
    const std::string hash = sha256_hex(token);
    const auto row = reads_.read([&](db::Tx& tx) { return db::session(tx, hash, clock_.now()); });
    if (!row) {
        refused_.inc();
        throw not_signed_in("The session is over or never was: sign in");
    }
    Caller caller;
    caller.by = {"account:" + std::to_string(row->account.value), topics::Via::session};
    caller.account = row->account;
    caller.login = row->login;
    caller.role = row->role;
    caller.expires = row->expires;
    caller.token = token;
    return caller;
}

DeviceCaller Auth::by_device(const Request& request, std::string_view basic) {
    const auto refuse = [&] {
        refused_.inc();
        Problem problem = not_signed_in("Wrong device id or secret");
        problem.headers = {{"WWW-Authenticate", "Basic realm=\"klyuchnik\""}};
        return problem;
    };
    // The secret is looked at first: it has 128 random bits, so guessing is hopeless, and a cabinet
    // with a wrong one must not hold up the right ones behind the same address. Only what is wrong
    // is counted and slowed.
    const auto wrong = [&] {
        const auto wait = device_secrets_.begin(group_of(request));
        if (wait.count() == 0) return refuse();
        slowed_.inc();
        return too_many_attempts(wait);
    };
    const auto plain = from_base64(basic);
    const std::size_t colon = plain ? plain->find(':') : std::string::npos;
    if (colon == std::string::npos) throw wrong();
    const auto device = topics::DeviceId::parse(std::string_view{*plain}.substr(0, colon));
    if (!device) throw wrong();
    std::string secret = plain->substr(colon + 1);
    const std::string hash = sha256_hex(secret);
    if (!reads_.read([&](db::Tx& tx) { return db::device_credential(tx, *device, hash); })) {
        throw wrong();
    }
    return {{device->text(), topics::Via::legacy}, *device, std::move(secret)};
}

Caller Auth::require_admin(const Request& request) {
    Caller caller;
    if (request.has_header("authorization")) {
        const auto token = credentials(request.header("authorization"), "bearer");
        if (!token) throw not_signed_in("Authorization: Bearer <token> is expected here");
        caller = by_token(std::string{*token});
    } else if (const auto token = cookie(request, kSessionCookie); !token.empty()) {
        require_own_page(request);
        caller = by_token(std::string{token});
    } else {
        throw not_signed_in("Sign in at POST /v1/session");
    }
    if (caller.role != "admin") throw problem_of(topics::Code::forbidden);
    return caller;
}

Caller Auth::require_cabinet(const Request& request) {
    if (const auto basic = credentials(request.header("authorization"), "basic")) {
        Caller caller;
        caller.by = by_device(request, *basic).by;
        return caller;
    }
    if (request.has_header("authorization") || !cookie(request, kSessionCookie).empty()) {
        Caller caller = require_admin(request);
        caller.by.via = topics::Via::legacy;
        return caller;
    }
    const auto address = Address::parse(request.address);
    if (address && contains(settings_.legacy_networks, *address)) {
        process::log::warn("{} {} from {} served without a credential: trusted network",
                           request.method, request.path, request.address);
        Caller caller;
        caller.by = {"trusted-network", topics::Via::legacy};
        return caller;
    }
    throw needs_device();
}

DeviceCaller Auth::require_device(const Request& request) {
    const auto basic = credentials(request.header("authorization"), "basic");
    if (!basic) throw needs_device();
    return by_device(request, *basic);
}

bool Auth::still_good(const Caller& caller) {
    const std::string hash = sha256_hex(caller.token);
    return reads_.read([&](db::Tx& tx) { return db::session(tx, hash, clock_.now()).has_value(); });
}

db::SignInRow Auth::sign_in(const std::string& login, const std::string& password,
                            const Request& request) {
    const std::string address = group_of(request);
    if (const auto wait = sign_ins_.begin(login, address); wait.count() > 0) {
        slowed_.inc();
        process::log::warn_every("slowed sign-in " + address, std::chrono::seconds{10},
                                 "sign-in attempts from {} are slowed", request.address);
        throw too_many_attempts(wait);
    }
    std::optional<db::SignInRow> row;
    std::optional<bool> good;
    try {
        row = reads_.read([&](db::Tx& tx) { return db::sign_in(tx, login); });
        std::optional<std::string> hash;
        if (row) hash = row->password_hash;
        good = passwords_.check(hash, password);
    } catch (...) {
        sign_ins_.withdraw(login, address);
        throw;
    }
    if (!good) {
        sign_ins_.withdraw(login, address);
        throw too_many_attempts(std::chrono::seconds{1});
    }
    if (!*good) {
        refused_.inc();
        throw not_signed_in("Wrong login or password");
    }
    sign_ins_.succeeded(login, address);
    return *row;
}

}  // namespace klyuchnik::bridge
