#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

/// Little-endian numbers in bytes, for the binary parts of the contract. Internal to topics/.
namespace klyuchnik::topics {

template <class T>
void put(std::string& out, T value) {
    auto bits = static_cast<std::make_unsigned_t<T>>(value);
    for (std::size_t i = 0; i < sizeof(T); ++i) {
        out += static_cast<char>(static_cast<unsigned char>(bits & 0xFFU));
        if constexpr (sizeof(T) > 1) bits = static_cast<decltype(bits)>(bits >> 8U);
    }
}

/// Takes numbers off the front; at the end `failed` tells whether there was ever too little.
class Reader {
 public:
    explicit Reader(std::string_view bytes) : rest_{bytes} {}

    template <class T>
    T take() {
        if (rest_.size() < sizeof(T)) {
            failed_ = true;
            rest_ = {};
            return 0;
        }
        std::make_unsigned_t<T> value = 0;
        for (std::size_t i = sizeof(T); i-- > 0;) {
            if constexpr (sizeof(T) > 1) value = static_cast<decltype(value)>(value << 8U);
            value = static_cast<decltype(value)>(value | static_cast<unsigned char>(rest_[i]));
        }
        rest_.remove_prefix(sizeof(T));
        return static_cast<T>(value);
    }
    std::string_view bytes(std::size_t count) {
        if (rest_.size() < count) {
            failed_ = true;
            rest_ = {};
            return {};
        }
        const std::string_view taken = rest_.substr(0, count);
        rest_.remove_prefix(count);
        return taken;
    }
    std::string_view rest() const { return rest_; }
    bool failed() const { return failed_; }

 private:
    std::string_view rest_;
    bool failed_ = false;
};

}  // namespace klyuchnik::topics
