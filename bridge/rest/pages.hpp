#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bridge/rest/http.hpp"

/// Lists in pages: `?limit=1..200&cursor=...`, answered `{"items":[...],"next":"..."|null}`.
///
/// A cursor is the place of the last item shown, not a number of rows skipped: items that come or
/// go meanwhile make no page show one twice or leave one out. It is opaque to clients and belongs
/// to one list; another list's cursor is refused, not misread.
namespace klyuchnik::bridge {

inline constexpr std::size_t kPageDefault = 50;
inline constexpr std::size_t kPageMax = 200;
inline constexpr std::size_t kCursorCharsMax = 128;

struct Page {
    std::size_t limit = kPageDefault;
    std::optional<std::string> place;  ///< What make_cursor was given; none on the first page.

    /// The place as a number, or `start` on the first page. Throws Problem 400 when it is none.
    std::int64_t place_or(std::int64_t start) const;
    /// The place as two numbers, "3.41". Precondition: there is one. Throws Problem 400 as above.
    std::pair<std::int64_t, std::int64_t> two_places() const;
    /// One row more than the page shows: whether it comes says whether there is a next page.
    std::size_t rows() const { return limit + 1; }
};

/// Throws Problem 400 for a limit out of range or a cursor that is not this list's.
Page page_of(const Request& request, std::string_view list);

std::string make_cursor(std::string_view list, std::string_view place);
/// None when it is not a cursor of `list`.
std::optional<std::string> read_cursor(std::string_view list, std::string_view cursor);

/// Shows at most `page.limit` of `rows` and makes the cursor of the last one shown.
template <class Row, class Show, class Place>
Response write_page(const Page& page, std::string_view list, const std::vector<Row>& rows,
                    Show show, Place place) {
    std::string body = "{\"items\":[";
    const std::size_t shown = rows.size() < page.limit ? rows.size() : page.limit;
    for (std::size_t i = 0; i < shown; ++i) {
        if (i > 0) body += ',';
        body += show(rows[i]);
    }
    body += "],\"next\":";
    if (rows.size() > page.limit) {
        body += '"' + make_cursor(list, place(rows[shown - 1])) + '"';
    } else {
        body += "null";
    }
    return Response::json(200, body + "}");
}

}  // namespace klyuchnik::bridge
