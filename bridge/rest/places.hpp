#pragma once

#include <atomic>
#include <cstddef>
#include <memory>

namespace klyuchnik::bridge {

/// A number of places that may be taken at once; who finds none is told so at once and never waits.
/// Thread-safe.
class Places {
 public:
    explicit Places(std::size_t count) : free_{std::make_shared<std::atomic<std::size_t>>(count)} {}

    /// Held while it lives, also beyond the life of Places; empty when none was free.
    using Place = std::shared_ptr<void>;
    Place take() {
        std::size_t left = free_->load();
        do {
            if (left == 0) return {};
        } while (!free_->compare_exchange_weak(left, left - 1));
        return Place{free_.get(), [free = free_](void*) { ++*free; }};
    }

 private:
    std::shared_ptr<std::atomic<std::size_t>> free_;
};

}  // namespace klyuchnik::bridge
