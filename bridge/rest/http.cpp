#include "bridge/rest/http.hpp"

#include <algorithm>
#include <stdexcept>

namespace klyuchnik::bridge {
namespace {

std::vector<std::string_view> segments_of(std::string_view path) {
    std::vector<std::string_view> segments;
    if (path.starts_with('/')) path.remove_prefix(1);
    while (true) {
        const std::size_t slash = path.find('/');
        segments.push_back(path.substr(0, slash));
        if (slash == std::string_view::npos) return segments;
        path.remove_prefix(slash + 1);
    }
}

bool is_capture(std::string_view segment) {
    return segment.size() > 2 && segment.front() == '{' && segment.back() == '}';
}

}  // namespace

std::string_view Request::header(std::string_view name) const {
    const auto found = std::ranges::find(
        headers, name, [](const auto& one) { return std::string_view{one.first}; });
    return found == headers.end() ? std::string_view{} : std::string_view{found->second};
}

bool Request::has_header(std::string_view name) const {
    return std::ranges::any_of(headers, [&](const auto& one) { return one.first == name; });
}

std::optional<std::string> Request::parameter(const std::string& name) const {
    const auto found = query.find(name);
    if (found == query.end()) return std::nullopt;
    return found->second;
}

Response& Response::with(std::string name, std::string value) {
    headers.emplace_back(std::move(name), std::move(value));
    return *this;
}

Response Response::json(int status, std::string body) {
    Response response;
    response.status = status;
    response.body = std::move(body);
    return response;
}

Response Response::text(int status, std::string body) {
    Response response;
    response.status = status;
    response.content_type = "text/plain; charset=utf-8";
    response.body = std::move(body);
    return response;
}

Response Response::empty(int status) {
    Response response;
    response.status = status;
    response.content_type.clear();
    return response;
}

void Routes::add(std::string method, std::string path, std::vector<int> statuses, Handler handle,
                 BodyRules body) {
    if (body.bytes_max > kBodyBytesMax && !body.admit) {
        throw std::logic_error{"route with large bodies for everybody: " + path};
    }
    for (const Route& route : routes_) {
        if (route.method == method && route.path == path) {
            throw std::logic_error{"route declared twice: " + path};
        }
    }
    std::ranges::sort(statuses);
    routes_.push_back({std::move(method), std::move(path), std::move(statuses), std::move(handle),
                       std::move(body)});
}

Routes::Match Routes::find(std::string_view method, std::string_view path) const {
    const auto wanted = segments_of(path);
    Match best;
    std::size_t best_literals = 0;
    for (const Route& route : routes_) {
        const auto segments = segments_of(route.path);
        if (segments.size() != wanted.size()) continue;
        std::map<std::string, std::string> captures;
        std::size_t literals = 0;
        bool same = true;
        for (std::size_t i = 0; i < segments.size() && same; ++i) {
            if (is_capture(segments[i])) {
                captures.emplace(segments[i].substr(1, segments[i].size() - 2), wanted[i]);
                same = !wanted[i].empty();
            } else {
                same = segments[i] == wanted[i];
                ++literals;
            }
        }
        if (!same) continue;
        if (route.method != method && !(method == "HEAD" && route.method == "GET")) {
            best.allowed.push_back(route.method);
            continue;
        }
        if (best.route == nullptr || literals > best_literals) {
            best.route = &route;
            best.captures = std::move(captures);
            best_literals = literals;
        }
    }
    return best;
}

}  // namespace klyuchnik::bridge
