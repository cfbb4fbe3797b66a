#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bridge/rest/ask_client.hpp"
#include "bridge/rest/auth.hpp"
#include "bridge/rest/device_certificates.hpp"
#include "bridge/rest/event_hub.hpp"
#include "bridge/rest/http.hpp"
#include "bridge/rest/json.hpp"
#include "bridge/rest/read_pool.hpp"
#include "process/clock.hpp"
#include "process/metrics.hpp"

/// What routes work with. Every route is either
///
///     require -> decode -> ask -> write        a write: a handler does it
///     require -> one view query -> write       a read: the database answers
///
/// A file per resource adds its routes; each says in which statuses it may answer.
namespace klyuchnik::bridge {

/// Requests that wait for the end of a command; beyond it a wish to wait is not granted.
inline constexpr std::size_t kWaitingCommandsMax = 4;
/// Large bodies at once: each is in memory, and takes the handlers' time.
inline constexpr std::size_t kUploadsMax = 2;
/// What may hold a thread for long, all together: there must be more workers than this, or they
/// would starve the reads.
inline constexpr std::size_t kLongRequestsMax =
    kWaitingWritesMax + kWaitingCommandsMax + kUploadsMax;

struct ApiSettings {
    std::chrono::hours session{12};                  ///< A sign-in lasts so long.
    std::optional<MqttPlace> mqtt;                   ///< Told to devices with their secret,
    std::optional<MqttPlace> mqtt_for_certificates;  ///< with their certificate.
    /// None: no certificates are given out here, only secrets.
    std::shared_ptr<const DeviceCertificates> certificates;
};

struct Api {
    ApiSettings settings;
    Auth& auth;
    AskClient& asks;
    ReadPool& reads;
    EventHub& hub;
    const process::Clock& clock;
    process::Metrics& metrics;
    std::function<bool()> mqtt_connected;
};

void add_session_routes(Routes& routes, Api& api);
void add_people_routes(Routes& routes, Api& api);
void add_key_routes(Routes& routes, Api& api);
void add_right_routes(Routes& routes, Api& api);
void add_loan_routes(Routes& routes, Api& api);
void add_conflict_routes(Routes& routes, Api& api);
void add_device_routes(Routes& routes, Api& api);
void add_claim_routes(Routes& routes, Api& api);
void add_document_routes(Routes& routes, Api& api);
void add_command_routes(Routes& routes, Api& api);
void add_alarm_routes(Routes& routes, Api& api);
void add_dead_letter_routes(Routes& routes, Api& api);
void add_firmware_routes(Routes& routes, Api& api);
void add_event_routes(Routes& routes, Api& api);
void add_health_routes(Routes& routes, Api& api);
void add_cabinet_routes(Routes& routes, Api& api);  // bridge/legacy
/// All of the above.
void add_routes(Routes& routes, Api& api);

/// `own` and what every route of an administrator may answer.
std::vector<int> reading(std::initializer_list<int> own);
/// `own` and what every write may answer.
std::vector<int> writing(std::initializer_list<int> own);

/// The client's Idempotency-Key, or a random one. Throws Problem 400 when it is not 1 to 64
/// printable ASCII characters.
std::string idempotency_key(const Request& request);

/// A capture of the path that is a number given out by the database. What is none cannot exist:
/// 404.
std::int64_t id_in_path(const Request& request, const std::string& name);
/// The capture {device}. What is no device id cannot exist: 404.
topics::DeviceId device_in_path(const Request& request);
/// A query parameter that is such a number. 400 when it is something else.
std::optional<std::int64_t> id_in_query(const Request& request, const std::string& name);
/// A query parameter that is one of `words`. 400 when it is something else.
std::optional<std::string> word_in_query(const Request& request, const std::string& name,
                                         std::initializer_list<std::string_view> words);

/// The answer of a handler as an HTTP answer. Throws Problem for every no.
///
/// `done` is the status of success: 200 with the answer's content, 201 with Location = `location`
/// and the answer's member `member` behind it, 204 with nothing.
struct Done {
    int status = 200;
    std::string location;
    std::string_view member;
};
Response write(const AskOutcome& outcome, const Done& done);
/// What `read()` returns, after an ask whose answer was a yes. The change is committed by then, so
/// that a read that fails in passing (no connection, the database away) must not say that nothing
/// was done: it throws done_and_not_shown(). Everything else passes. Nothing but reading the result
/// belongs into `read`: who asks was looked at before.
template <class Read>
auto read_done(Read read) {
    try {
        return read();
    } catch (const Problem& problem) {
        if (problem.status != 503) throw;
    } catch (const db::Fault& fault) {
        if (!is_passing(fault)) throw;
    }
    throw done_and_not_shown();
}
/// The content of an answer that is a yes. Throws Problem for every no.
std::string content_of(const AskOutcome& outcome);

}  // namespace klyuchnik::bridge
