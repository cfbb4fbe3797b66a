// klyuchnik-bench: one device alone. How long from key.request to its answer, beside the two things
// it is made of, measured turn by turn in the same run: an echo through the broker, and one commit.

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <functional>
#include <iostream>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

#include <libpq-fe.h>
#include <mosquitto.h>

#include "process/settings.hpp"
#include "topics/codec.hpp"
#include "topics/names.hpp"

namespace {

using namespace klyuchnik;
using std::chrono::steady_clock;
using Micros = std::chrono::duration<double, std::micro>;

constexpr std::chrono::seconds kPatience{5};

/// One connection; every message that arrives is handed to `heard` on the library's thread.
class Client {
 public:
    Client(int port, const std::string& user, const std::string& secret,
           std::function<void(Client&, const std::string&, const std::string&)> heard)
        : heard_{std::move(heard)},
          mosq_{mosquitto_new(user.c_str(), true, this), mosquitto_destroy} {
        mosquitto_username_pw_set(mosq_.get(), user.c_str(), secret.c_str());
        mosquitto_int_option(mosq_.get(), MOSQ_OPT_TCP_NODELAY, 1);
        mosquitto_message_callback_set(
            mosq_.get(), [](mosquitto*, void* self, const mosquitto_message* message) {
                auto& client = *static_cast<Client*>(self);
                client.heard_(client, message->topic,
                              {static_cast<const char*>(message->payload),
                               static_cast<std::size_t>(message->payloadlen)});
            });
        mosquitto_subscribe_callback_set(mosq_.get(),
                                         [](mosquitto*, void* self, int, int, const int* granted) {
                                             auto& client = *static_cast<Client*>(self);
                                             const std::lock_guard lock{client.mutex_};
                                             client.granted_ = *granted;
                                             client.changed_.notify_all();
                                         });
        if (mosquitto_connect(mosq_.get(), "127.0.0.1", port, 60) != MOSQ_ERR_SUCCESS ||
            mosquitto_loop_start(mosq_.get()) != MOSQ_ERR_SUCCESS) {
            throw std::runtime_error{user + " can not connect to the broker"};
        }
    }
    ~Client() {
        mosquitto_disconnect(mosq_.get());
        mosquitto_loop_stop(mosq_.get(), false);
    }
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    void subscribe(const std::string& filter) {
        std::unique_lock lock{mutex_};
        granted_ = -1;
        // Sent only once the broker has accepted the connection; before that the library says so.
        const auto deadline = steady_clock::now() + kPatience;
        while (steady_clock::now() < deadline) {
            mosquitto_subscribe(mosq_.get(), nullptr, filter.c_str(), 0);
            if (changed_.wait_for(lock, std::chrono::milliseconds{100},
                                  [&] { return granted_ >= 0; })) {
                if (granted_ > 2) break;
                return;
            }
        }
        throw std::runtime_error{"the broker refuses " + filter};
    }
    void publish(const std::string& topic, const std::string& payload) {
        mosquitto_publish(mosq_.get(), nullptr, topic.c_str(), static_cast<int>(payload.size()),
                          payload.data(), 0, false);
    }

 private:
    std::function<void(Client&, const std::string&, const std::string&)> heard_;
    std::unique_ptr<mosquitto, void (*)(mosquitto*)> mosq_;
    std::mutex mutex_;
    std::condition_variable changed_;
    int granted_ = -1;
};

struct Options {
    std::int64_t devices_port = 0;
    std::int64_t services_port = 0;
    std::string device;
    std::string device_secret;
    std::string echo_user = "handlers-9";
    std::string echo_secret;
    std::string card;
    std::string key;
    std::int64_t rounds = 2000;
};

class Commits {
 public:
    Commits() : connection_{PQconnectdb(""), PQfinish} {
        run("create schema if not exists bench");
        run("create table if not exists bench.commits (n bigint)");
        run("truncate bench.commits");
    }
    void one() { run("insert into bench.commits values (1)"); }

 private:
    void run(const char* statement) {
        PGresult* const result = PQexec(connection_.get(), statement);
        const bool fine = PQresultStatus(result) == PGRES_COMMAND_OK;
        PQclear(result);
        if (!fine) throw std::runtime_error{PQerrorMessage(connection_.get())};
    }
    std::unique_ptr<PGconn, void (*)(PGconn*)> connection_;
};

/// Waits for the one message that is on its way.
class Bell {
 public:
    void ring(const std::string& payload) {
        const std::lock_guard lock{mutex_};
        payload_ = payload;
        rung_ = true;
        changed_.notify_one();
    }
    std::string wait() {
        std::unique_lock lock{mutex_};
        if (!changed_.wait_for(lock, kPatience, [&] { return rung_; })) {
            throw std::runtime_error{"no answer in 5 s"};
        }
        rung_ = false;
        return payload_;
    }

 private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::string payload_;
    bool rung_ = false;
};

struct Row {
    const char* name;
    std::vector<double> micros;
    double at(double share) {
        std::ranges::sort(micros);
        return micros[static_cast<std::size_t>(share * static_cast<double>(micros.size() - 1))];
    }
};

int run(const Options& options) {
    const auto device = topics::DeviceId::parse(options.device);
    if (!device) throw std::runtime_error{"--device: not a device id"};
    Bell echoed;
    Bell answered;
    const std::string echo_to = topics::device_topic(*device, topics::Level::chunk_down);
    const std::string answer_to = topics::device_topic(*device, topics::Level::answer);
    Client cabinet{static_cast<int>(options.devices_port), options.device, options.device_secret,
                   [&](Client&, const std::string& topic, const std::string& payload) {
                       if (topic == echo_to) echoed.ring(payload);
                       if (topic == answer_to) answered.ring(payload);
                   }};
    Client echo{static_cast<int>(options.services_port), options.echo_user, options.echo_secret,
                [&](Client& self, const std::string&, const std::string& payload) {
                    self.publish(echo_to, payload);
                }};
    cabinet.subscribe(topics::device_filter(*device));
    echo.subscribe(topics::shared_device_filter("bench", "echo", "kc", topics::Level::chunk_up));
    Commits commits;

    Row echo_row{"echo", {}};
    Row commit_row{"commit", {}};
    Row request_row{"key.request", {}};
    const auto measure = [](Row& row, auto what) {
        const auto begun = steady_clock::now();
        what();
        row.micros.push_back(Micros{steady_clock::now() - begun}.count());
    };
    const std::string chunk_topic = topics::device_topic(*device, topics::Level::chunk_up);
    const std::string request_topic = topics::device_topic(*device, topics::Level::request);
    const std::string padding(150, 'x');
    std::int64_t granted = 0;
    constexpr std::int64_t kWarmUp = 100;
    for (std::int64_t i = 0; i < options.rounds + kWarmUp; ++i) {
        if (i == kWarmUp) {
            for (Row* row : {&echo_row, &commit_row, &request_row}) row->micros.clear();
        }
        measure(echo_row, [&] {
            cabinet.publish(chunk_topic, padding);
            echoed.wait();
        });
        measure(commit_row, [&] { commits.one(); });
        topics::Request request;
        request.cn.value = 1;
        request.number = i;
        request.body = topics::KeyRequest{{options.card}, {options.key}, {}};
        const std::string bytes = topics::encode(request);
        std::string answer;
        measure(request_row, [&] {
            cabinet.publish(request_topic, bytes);
            answer = answered.wait();
        });
        const auto read = topics::decode_request_answer(answer);
        if (!read || read->number != i)
            throw std::runtime_error{"an answer to another request: " + answer};
        if (read->rc == 0) ++granted;
    }
    std::printf("%-14s %10s %10s %10s   (%lld rounds, %lld granted)\n", "", "p50 us", "p99 us",
                "max us", static_cast<long long>(options.rounds), static_cast<long long>(granted));
    for (Row* row : {&echo_row, &commit_row, &request_row}) {
        std::printf("%-14s %10.0f %10.0f %10.0f\n", row->name, row->at(0.5), row->at(0.99),
                    row->at(1.0));
    }
    const double ratio = request_row.at(0.5) / (echo_row.at(0.5) + commit_row.at(0.5));
    std::printf("key.request p50 = %.2f x (echo + one commit); wanted at most 2\n", ratio);
    return ratio <= 2.0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
    Options options;
    process::Settings settings{"klyuchnik-bench",
                               "One device alone: request to answer, against echo and commit."};
    settings.number("devices-port", options.devices_port, 1, 65535,
                    "broker's listener for devices");
    settings.number("services-port", options.services_port, 1, 65535,
                    "broker's listener for services");
    settings.text("device", options.device, "id of a device");
    settings.secret_file("device-secret-file", options.device_secret, "its secret");
    settings.text("echo-user", options.echo_user, "service that answers echoes");
    settings.secret_file("echo-secret-file", options.echo_secret, "its secret");
    settings.text("card", options.card, "card that asks");
    settings.text("key", options.key, "key it asks for");
    settings.number("rounds", options.rounds, 100, 1'000'000, "rounds");
    if (const auto exit_code = settings.parse(argc, argv)) return *exit_code;
    mosquitto_lib_init();
    try {
        return run(options);
    } catch (const std::exception& error) {
        std::cerr << "klyuchnik-bench: " << error.what() << '\n';
        return 1;
    }
}
