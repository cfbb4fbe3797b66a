#pragma once

#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

namespace klyuchnik::bridge {

/// One check costs 64 MB and a tenth of a second of one core, on purpose: two at a time,
inline constexpr int kPasswordChecksMax = 2;
/// so many waiting, and then 429.
inline constexpr int kPasswordQueueMax = 16;
inline constexpr std::size_t kPasswordBytesMax = 256;

/// Checks passwords against argon2id hashes, few at a time. Thread-safe.
class Passwords {
 public:
    /// Makes the hash that stands in for accounts that do not exist; takes a check's time.
    Passwords();

    /// Whether `password` is the one of `hash`; without a hash false, after the same work, so that
    /// the time does not tell which logins exist. None at once when kPasswordQueueMax others wait.
    std::optional<bool> check(const std::optional<std::string>& hash, std::string_view password);

 private:
    std::string stand_in_;
    std::mutex mutex_;
    std::condition_variable done_;
    int running_ = 0;
    int waiting_ = 0;
};

}  // namespace klyuchnik::bridge
