#pragma once

#include <cstdint>
#include <string>

namespace klyuchnik::witness {

/// Where the API is and who signs in.
struct Api {
    std::string host = "127.0.0.1";
    int port = 8080;
    std::string login = "admin";
    std::string password;
};

/// How large the building is.
struct Building {
    std::int64_t cabinets = 20;
    std::int64_t people = 200;
    std::int64_t keys = 100;
    std::int64_t rights_per_person = 10;
};

/// Fills an empty system through the public API, as an administrator would: cabinets, which claim
/// their secrets, keys with a home slot, people with a card, and rights. Writes `world` (which key
/// hangs where, which card may take what) for the simulator and `devices` ("id secret" lines,
/// 0600). Progress goes to stderr. Names are made up and numbered.
///
/// Does nothing when `world` is there already. Throws std::runtime_error with the API's own words.
void seed(const Api& api, const Building& building, const std::string& world,
          const std::string& devices);

/// Adds one device, claims it in its stead and returns its secret, which nobody shows again.
std::string add_device(const Api& api, const std::string& id, const std::string& name);

}  // namespace klyuchnik::witness
