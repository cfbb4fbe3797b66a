#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <pqxx/pqxx>

#include "db/access/connection.hpp"
#include "db/access/fault.hpp"
#include "db/access/query.hpp"
#include "db/sql.hpp"
#include "topics/ids.hpp"
#include "topics/time.hpp"

/// Internal to db/access: the only header that knows libpqxx.
namespace klyuchnik::db {

/// A PostgreSQL array as text, the one form in which this libpqxx passes lists.
class Array {
 public:
    void add(std::int64_t value) { item() += std::to_string(value); }
    void add(bool value) { item() += value ? "t" : "f"; }
    void add(std::string_view value);
    void add(const std::string& value) { add(std::string_view{value}); }
    void add(topics::Instant at) { add(std::string_view{topics::rfc3339(at)}); }
    template <class Tag>
    void add(const topics::Id<Tag>& id) {
        add(id.value);
    }
    template <class Tag>
    void add(const topics::Text<Tag>& text) {
        add(std::string_view{text.value});
    }
    void add(const topics::DeviceId& device) { add(std::string_view{device.text()}); }
    template <class T>
    void add(const std::optional<T>& value) {
        if (value) {
            add(*value);
        } else {
            item() += "NULL";
        }
    }
    std::string text() const { return text_ + "}"; }

 private:
    std::string& item() {
        if (text_.size() > 1) text_ += ',';
        return text_;
    }
    std::string text_ = "{";
};

/// One column of a list of rows, as an array parameter.
template <class Rows, class Get>
std::string column(const Rows& rows, Get get) {
    Array array;
    for (const auto& row : rows) array.add(get(row));
    return array.text();
}
template <class Values>
std::string array_of(const Values& values) {
    Array array;
    for (const auto& value : values) array.add(value);
    return array.text();
}

/// The field's bytes; they live as long as the result does.
inline std::string_view view_of(const pqxx::field& field) {
    return {field.c_str(), field.size()};
}

/// "2026-01-31 07:05:09.12+00", as PostgreSQL prints a timestamptz under our session's UTC.
topics::Instant instant_of(const pqxx::field& field);
std::optional<topics::Instant> optional_instant_of(const pqxx::field& field);
template <class T>
std::optional<topics::Id<T>> optional_id(const pqxx::field& field) {
    if (field.is_null()) return std::nullopt;
    return topics::Id<T>{field.as<std::int64_t>()};
}
inline std::optional<std::string> optional_text(const pqxx::field& field) {
    if (field.is_null()) return std::nullopt;
    return std::string{view_of(field)};
}
std::vector<std::int64_t> integers_of(const pqxx::field& field);

namespace detail {
inline std::optional<std::string> parameter(const std::string& value) {
    return value;
}
inline std::optional<std::string> parameter(const char* value) {
    return std::string{value};
}
inline std::optional<std::string> parameter(std::int64_t value) {
    return std::to_string(value);
}
inline std::optional<std::string> parameter(int value) {
    return std::to_string(value);
}
inline std::optional<std::string> parameter(bool value) {
    return std::string{value ? "t" : "f"};
}
inline std::optional<std::string> parameter(topics::Instant at) {
    return topics::rfc3339(at);
}
inline std::optional<std::string> parameter(const topics::DeviceId& device) {
    return device.text();
}
inline std::optional<std::string> parameter(std::nullopt_t) {
    return std::nullopt;
}
template <class Tag>
std::optional<std::string> parameter(const topics::Id<Tag>& id) {
    return std::to_string(id.value);
}
template <class Tag>
std::optional<std::string> parameter(const topics::Text<Tag>& text) {
    return text.value;
}
template <class T>
std::optional<std::string> parameter(const std::optional<T>& value) {
    if (!value) return std::nullopt;
    return parameter(*value);
}
pqxx::result run(Tx& tx, const Query& query, const std::vector<std::optional<std::string>>& values);
/// For migrations only: text with several commands, which no prepared statement can hold.
void run_text(Tx& tx, const std::string& text, const char* what);
}  // namespace detail

/// Runs one statement. Throws Fault.
template <class... Values>
pqxx::result run(Tx& tx, const Query& query, const Values&... values) {
    return detail::run(tx, query, {detail::parameter(values)...});
}

}  // namespace klyuchnik::db
