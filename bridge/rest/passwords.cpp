#include "bridge/rest/passwords.hpp"

#include <array>
#include <stdexcept>

#include <sodium.h>

#include "bridge/rest/secrets.hpp"

namespace klyuchnik::bridge {

Passwords::Passwords() {
    const std::string nobody = random_token(32);
    std::array<char, crypto_pwhash_STRBYTES> hash{};
    if (crypto_pwhash_str(hash.data(), nobody.data(), nobody.size(),
                          crypto_pwhash_OPSLIMIT_INTERACTIVE,
                          crypto_pwhash_MEMLIMIT_INTERACTIVE) != 0) {
        throw std::runtime_error{"not enough memory to check a password (64 MB)"};
    }
    stand_in_ = hash.data();
}

std::optional<bool> Passwords::check(const std::optional<std::string>& hash,
                                     std::string_view password) {
    {
        std::unique_lock lock{mutex_};
        if (running_ >= kPasswordChecksMax) {
            if (waiting_ >= kPasswordQueueMax) return std::nullopt;
            ++waiting_;
            done_.wait(lock, [this] { return running_ < kPasswordChecksMax; });
            --waiting_;
        }
        ++running_;
    }
    // The library reads the hash to its NUL and expects it in a buffer of its own size.
    std::array<char, crypto_pwhash_STRBYTES> stored{};
    const std::string& against = hash ? *hash : stand_in_;
    against.copy(stored.data(), stored.size() - 1);
    const bool same =
        crypto_pwhash_str_verify(stored.data(), password.data(), password.size()) == 0;
    {
        const std::lock_guard lock{mutex_};
        --running_;
    }
    done_.notify_one();
    return hash.has_value() && same;
}

}  // namespace klyuchnik::bridge
