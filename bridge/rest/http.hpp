#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// A request and its answer as routes see them: values, without a socket and without a library.
namespace klyuchnik::bridge {

/// Of one request body, whatever its encoding claims; beyond it 413. A route may set its own.
inline constexpr std::size_t kBodyBytesMax = std::size_t{1} << 20;
/// Of the path, percent-decoded; beyond it 414.
inline constexpr std::size_t kPathBytesMax = 1024;

struct Request {
    std::string method;
    std::string path;  ///< Percent-decoded; for matching and for the log, never for a file.
    std::vector<std::pair<std::string, std::string>> headers;  ///< Names in lower case.
    std::map<std::string, std::string> query;     ///< Percent-decoded; the last of equal names.
    std::map<std::string, std::string> captures;  ///< `{id}` of the route's template.
    std::string body;
    std::string peer;     ///< Address of the other end of the socket.
    std::string address;  ///< Of the client: the peer, or what a trusted proxy says about it.
    bool secure = false;  ///< The client came over TLS, to us or to a trusted proxy.
    std::string id;       ///< Of this request, in the log and in every problem.
    std::shared_ptr<void> admitted;  ///< What the route's `admit` gave; let go with the request.

    /// `name` in lower case; "" when absent. Of repeated headers the first.
    std::string_view header(std::string_view name) const;
    bool has_header(std::string_view name) const;
    /// Absent and empty are different: `?name=` is there.
    std::optional<std::string> parameter(const std::string& name) const;
};

/// Where a stream's bytes go. Only on the thread that runs the stream.
class StreamSink {
 public:
    virtual ~StreamSink() = default;
    /// False when the client is gone or does not read: end the stream.
    virtual bool write(std::string_view bytes) = 0;
    /// False when the client has hung up or the server is stopping; looks, does not wait.
    virtual bool open() const = 0;
};

struct Response {
    int status = 200;
    std::string content_type = "application/json";
    std::string body;
    std::vector<std::pair<std::string, std::string>> headers;
    /// Instead of a body: runs on the connection's thread until the stream ends.
    std::function<void(StreamSink&)> stream;

    Response& with(std::string name, std::string value);

    static Response json(int status, std::string body);
    static Response text(int status, std::string body);
    static Response empty(int status);
};

using Handler = std::function<Response(const Request&)>;
/// Looks at a request whose body has not been read yet, and throws Problem when it is not worth
/// reading. What it returns lives as long as the request.
using Admit = std::function<std::shared_ptr<void>(const Request&)>;

/// What a route with large bodies has besides.
struct BodyRules {
    std::size_t bytes_max = kBodyBytesMax;
    /// Needed where bytes_max is more than everybody may send: a stranger must not fill the memory.
    Admit admit;
};

/// One route: what it matches, what it may answer, what it does. `statuses` is held against
/// openapi.json by a test and against every answer at run time, so that the document stays true.
struct Route {
    std::string method;
    std::string path;  ///< "/v1/people/{id}": a capture is one whole segment.
    std::vector<int> statuses;
    Handler handle;
    BodyRules body;
};

/// All routes. Filled at the start, read by many threads afterwards.
class Routes {
 public:
    /// Throws std::logic_error when the same method and template are there already, or when a body
    /// may be larger than kBodyBytesMax for anybody.
    void add(std::string method, std::string path, std::vector<int> statuses, Handler handle,
             BodyRules body = {});

    struct Match {
        const Route* route = nullptr;
        std::map<std::string, std::string> captures;
        std::vector<std::string> allowed;  ///< Methods of this path when only the method is wrong.
    };
    /// A literal segment is preferred to a capture. HEAD matches what GET matches.
    Match find(std::string_view method, std::string_view path) const;

    const std::vector<Route>& all() const { return routes_; }

 private:
    std::vector<Route> routes_;
};

}  // namespace klyuchnik::bridge
