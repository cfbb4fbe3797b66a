#pragma once

#include <stdexcept>
#include <string>

namespace klyuchnik::db {

/// Something that should not happen. Thrown by db/access, caught by the loops and by `main` only;
/// its text is for the log and never goes to a device.
class Fault : public std::runtime_error {
 public:
    enum class Retry {
        same_batch,  ///< Deadlock, lock or statement timeout: do it again as it was.
        one_by_one,  ///< The database refuses what is in the data: find the message that carries
                     ///< it.
        after_reconnect,  ///< No connection, or the outcome of a commit is unknown: nothing may be
                          ///< answered.
        never,  ///< The statement itself is wrong here (schema, grants): a person must mend it.
    };
    Fault(const std::string& what, Retry retry, std::string state = {})
        : std::runtime_error{what}, retry_{retry}, state_{std::move(state)} {}

    Retry retry() const noexcept { return retry_; }
    /// SQLSTATE where there is one. "23505", two handlers at once, is worth one more try.
    const std::string& state() const noexcept { return state_; }

 private:
    Retry retry_;
    std::string state_;
};

}  // namespace klyuchnik::db
