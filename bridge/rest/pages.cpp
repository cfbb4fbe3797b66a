#include "bridge/rest/pages.hpp"

#include <charconv>

#include "bridge/rest/problem.hpp"
#include "bridge/rest/secrets.hpp"

namespace klyuchnik::bridge {

std::int64_t Page::place_or(std::int64_t start) const {
    if (!place) return start;
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(place->data(), place->data() + place->size(), value);
    if (error != std::errc{} || end != place->data() + place->size()) {
        throw bad_request("cursor: not one of this list");
    }
    return value;
}

std::pair<std::int64_t, std::int64_t> Page::two_places() const {
    std::pair<std::int64_t, std::int64_t> places;
    const char* const end = place->data() + place->size();
    const auto first = std::from_chars(place->data(), end, places.first);
    if (first.ec != std::errc{} || first.ptr == end || *first.ptr != '.') {
        throw bad_request("cursor: not one of this list");
    }
    const auto second = std::from_chars(first.ptr + 1, end, places.second);
    if (second.ec != std::errc{} || second.ptr != end) {
        throw bad_request("cursor: not one of this list");
    }
    return places;
}

Page page_of(const Request& request, std::string_view list) {
    Page page;
    if (const auto limit = request.parameter("limit")) {
        const auto [end, error] =
            std::from_chars(limit->data(), limit->data() + limit->size(), page.limit);
        if (error != std::errc{} || end != limit->data() + limit->size() || page.limit < 1 ||
            page.limit > kPageMax) {
            throw bad_request("limit: expected an integer from 1 to " + std::to_string(kPageMax));
        }
    }
    if (const auto cursor = request.parameter("cursor")) {
        page.place = read_cursor(list, *cursor);
        if (!page.place) throw bad_request("cursor: not one of this list");
    }
    return page;
}

std::string make_cursor(std::string_view list, std::string_view place) {
    return base64url(std::string{list} + ":" + std::string{place});
}

std::optional<std::string> read_cursor(std::string_view list, std::string_view cursor) {
    if (cursor.size() > kCursorCharsMax) return std::nullopt;
    const auto plain = from_base64url(cursor);
    if (!plain || !plain->starts_with(list) || plain->size() <= list.size() ||
        (*plain)[list.size()] != ':') {
        return std::nullopt;
    }
    return plain->substr(list.size() + 1);
}

}  // namespace klyuchnik::bridge
