#pragma once

#include <string>
#include <utility>
#include <variant>

namespace klyuchnik::topics {

/// What was wrong with bytes from outside, precisely enough to mend them.
struct Malformed {
    std::string where;  ///< Path inside the payload, "e[3].d.sl"; empty = the payload itself.
    std::string why;    ///< "expected an integer from 1 to 512, got \"x\"".
    std::string text() const { return where.empty() ? why : where + ": " + why; }
};

/// A value or what was wrong. (std::expected is C++23.)
template <class T>
class Decoded {
 public:
    Decoded(T value) : data_{std::in_place_index<0>, std::move(value)} {}
    Decoded(Malformed error) : data_{std::in_place_index<1>, std::move(error)} {}

    explicit operator bool() const noexcept { return data_.index() == 0; }
    T& operator*() { return std::get<0>(data_); }
    const T& operator*() const { return std::get<0>(data_); }
    T* operator->() { return &std::get<0>(data_); }
    const T* operator->() const { return &std::get<0>(data_); }
    const Malformed& error() const { return std::get<1>(data_); }

 private:
    std::variant<T, Malformed> data_;
};

}  // namespace klyuchnik::topics
