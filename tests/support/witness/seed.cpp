#include "tests/support/witness/seed.hpp"

#include <atomic>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <map>
#include <mutex>
#include <optional>
#include <random>
#include <stdexcept>
#include <thread>
#include <vector>

#include <httplib.h>
#include <nlohmann/json.hpp>

namespace klyuchnik::witness {
namespace {

using nlohmann::json;

constexpr int kThreads = 4;
constexpr int kTimeoutSeconds = 20;

class Client {
 public:
    explicit Client(const Api& api) : http_{api.host, api.port} {
        http_.set_read_timeout(kTimeoutSeconds);
        http_.set_keep_alive(true);
        http_.set_tcp_nodelay(true);
    }
    void sign_in(const Api& api) {
        token_ = send("POST", "/v1/session", {{"login", api.login}, {"password", api.password}})
                     .at("token");
    }
    const std::string& token() const { return token_; }
    void use(std::string token) { token_ = std::move(token); }

    json send(const std::string& method, const std::string& path, const json& body) {
        httplib::Request request;
        request.method = method;
        request.path = path;
        request.body = body.dump();
        request.set_header("Content-Type", "application/json");
        if (!token_.empty()) request.set_header("Authorization", "Bearer " + token_);
        const auto result = http_.send(request);
        if (!result) {
            throw std::runtime_error{method + " " + path + ": no answer (" +
                                     httplib::to_string(result.error()) + ")"};
        }
        if (result->status >= 300) {
            throw std::runtime_error{method + " " + path + ": " + std::to_string(result->status) +
                                     " " + result->body};
        }
        return result->body.empty() ? json::object() : json::parse(result->body);
    }

 private:
    httplib::Client http_;
    std::string token_;
};

/// `work(client, i)` for i in [0, count), on a few threads, with a line of progress. The first
/// failure ends it.
void for_each(const Api& api, const std::string& token, std::int64_t count, const std::string& what,
              const std::function<void(Client&, std::int64_t)>& work) {
    std::atomic<std::int64_t> next{0};
    std::mutex mutex;
    std::optional<std::string> failure;
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
        threads.emplace_back([&] {
            Client client{api};
            client.use(token);
            for (std::int64_t i = next++; i < count; i = next++) {
                try {
                    work(client, i);
                } catch (const std::exception& error) {
                    const std::lock_guard lock{mutex};
                    if (!failure) failure = error.what();
                    next = count;
                }
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    if (failure) throw std::runtime_error{*failure};
    std::cerr << "  " << count << " " << what << '\n';
}

/// What a device draws for a claim: 32 random hexadecimal digits.
std::string random_nonce() {
    std::random_device source;
    std::string nonce;
    for (int i = 0; i < 32; ++i) nonce += "0123456789abcdef"[source() % 16];
    return nonce;
}

std::string numbered(const char* prefix, std::int64_t number, int digits) {
    std::string text = std::to_string(number);
    while (static_cast<int>(text.size()) < digits) text.insert(text.begin(), '0');
    return prefix + text;
}

/// Written beside and renamed: a world that is there is whole.
void write_whole(const std::string& path, const std::string& text, bool secret) {
    const std::string beside = path + ".new";
    { std::ofstream empty{beside, std::ios::trunc}; }
    if (secret) {
        std::filesystem::permissions(
            beside, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
    }
    std::ofstream file{beside, std::ios::trunc};
    file << text;
    file.close();
    if (!file) throw std::runtime_error{"can not write " + beside};
    std::filesystem::rename(beside, path);
}

/// Adds a device as an administrator and claims it as the device would. Returns its secret.
std::string new_device(Client& client, const std::string& id, const std::string& name) {
    const json made = client.send("POST", "/v1/devices", {{"device", id}, {"name", name}});
    return client
        .send("POST", "/v1/claim",
              {{"device", id}, {"code", made.at("claim_code")}, {"nonce", random_nonce()}})
        .at("secret")
        .get<std::string>();
}

}  // namespace

void seed(const Api& api, const Building& building, const std::string& world,
          const std::string& devices) {
    if (std::filesystem::exists(world)) {
        std::cerr << "  the building is there already\n";
        return;
    }
    Client client{api};
    client.sign_in(api);
    const std::string token = client.token();
    std::vector<std::string> device_lines(static_cast<std::size_t>(building.cabinets));
    std::vector<std::string> key_lines(static_cast<std::size_t>(building.keys));
    std::vector<std::string> card_lines(static_cast<std::size_t>(building.people));
    std::vector<std::int64_t> key_ids(static_cast<std::size_t>(building.keys));

    const auto cabinet = [&](std::int64_t i) { return numbered("kc-demo", i + 1, 4); };
    const auto key_name = [&](std::int64_t i) { return std::to_string(101 + i); };

    for_each(api, token, building.cabinets, "cabinets", [&](Client& c, std::int64_t i) {
        device_lines[static_cast<std::size_t>(i)] =
            cabinet(i) + " " + new_device(c, cabinet(i), numbered("Cabinet ", i + 1, 2));
    });
    for_each(api, token, building.keys, "keys", [&](Client& c, std::int64_t i) {
        const std::string home = cabinet(i % building.cabinets);
        const std::int64_t slot = i / building.cabinets + 1;
        const std::string tag = numbered("04A2B3C4", i + 1, 6);
        const json made = c.send("POST", "/v1/keys",
                                 {{"name", key_name(i)},
                                  {"room", "Room " + key_name(i)},
                                  {"tag", tag},
                                  {"cabinet", home},
                                  {"slot", slot}});
        key_ids[static_cast<std::size_t>(i)] = made.at("key");
        key_lines[static_cast<std::size_t>(i)] =
            "key\t" + home + "\t" + std::to_string(slot) + "\t" + key_name(i) + "\t" + tag;
    });
    for_each(api, token, building.people, "people with rights", [&](Client& c, std::int64_t i) {
        const std::string card = numbered("CARD", i + 1, 5);
        const json made = c.send("POST", "/v1/people",
                                 {{"full_name", numbered("Person ", i + 1, 3)}, {"cards", {card}}});
        json keys = json::array();
        std::string names;
        for (std::int64_t k = 0; k < building.rights_per_person; ++k) {
            // Seven is prime to the number of keys of any round building, so the rights spread
            // evenly.
            const std::int64_t key = (i * building.rights_per_person + k * 7) % building.keys;
            keys.push_back(key_ids[static_cast<std::size_t>(key)]);
            names += (names.empty() ? "" : ",") + key_name(key);
        }
        c.send("PUT",
               "/v1/people/" + std::to_string(made.at("person").get<std::int64_t>()) + "/rights",
               {{"keys", keys}});
        card_lines[static_cast<std::size_t>(i)] = "card\t" + card + "\t" + names;
    });
    const auto joined = [](const std::vector<std::string>& lines) {
        std::string text;
        for (const std::string& line : lines) text += line + "\n";
        return text;
    };
    write_whole(devices, joined(device_lines), true);
    write_whole(world, joined(key_lines) + joined(card_lines), false);
}

std::string add_device(const Api& api, const std::string& id, const std::string& name) {
    Client client{api};
    client.sign_in(api);
    return new_device(client, id, name);
}

}  // namespace klyuchnik::witness
