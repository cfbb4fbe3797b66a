#include "tests/unit/firmware-sim/model_server.hpp"

#include <algorithm>
#include <condition_variable>
#include <cstdlib>
#include <fstream>
#include <mutex>
#include <optional>
#include <set>
#include <stdexcept>
#include <string_view>
#include <utility>

#include <arpa/inet.h>
#include <mosquitto.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/firmware-sim/directory.hpp"
#include "topics/chunk.hpp"
#include "topics/codec.hpp"
#include "topics/names.hpp"

namespace klyuchnik::test {
namespace {

using topics::AckError;
using topics::Level;

int free_port() {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    const bool bound = ::bind(fd, generic, size) == 0 && ::getsockname(fd, generic, &size) == 0;
    ::close(fd);
    if (!bound) throw std::runtime_error{"no free port"};
    return ntohs(address.sin_port);
}

bool answers(int port) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    const bool connected =
        ::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
    ::close(fd);
    return connected;
}

}  // namespace

struct ModelServer::Impl {
    struct Device {
        topics::Epoch epoch;
        topics::Sequence last;
        std::set<std::int64_t> known;
        std::set<std::pair<std::int64_t, std::int64_t>> made;
        topics::DeviceId id;
        topics::Connection cn;
        std::int64_t packet_bytes = 1024;
        topics::DocumentReady offered;
        std::string fetched;
    };

    Directory directory;
    int port = free_port();
    pid_t broker = -1;
    mosquitto* client = nullptr;
    mutable std::mutex mutex;
    mutable std::condition_variable changed;
    std::map<std::string, Device> devices;
    ServerView view;
    bool silent = false;
    bool ready = false;
    int swallow = 0;
    std::int64_t rc = 0;
    std::int64_t next_epoch = 1;
    std::map<std::string, std::pair<std::int64_t, std::string>> documents;  ///< Version and bytes.
    std::optional<std::string> firmware_wanted;
    std::int64_t spread_s = 0;

    static void on_connect(mosquitto* its, void*, int) {
        mosquitto_subscribe(its, nullptr, "kl/v1/+/+/up/+", 0);
        mosquitto_subscribe(its, nullptr, "kl/v1/+/+/st", 0);
    }
    static void on_subscribe(mosquitto*, void* self, int, int, const int*) {
        auto& server = *static_cast<Impl*>(self);
        const std::lock_guard lock{server.mutex};
        server.ready = true;
        server.changed.notify_all();
    }
    static void on_message(mosquitto*, void* self, const mosquitto_message* message) {
        auto& server = *static_cast<Impl*>(self);
        const auto parsed = topics::parse_topic(message->topic);
        const auto* topic = std::get_if<topics::DeviceTopic>(&parsed);
        if (topic == nullptr) return;
        const std::string_view payload{static_cast<const char*>(message->payload),
                                       static_cast<std::size_t>(message->payloadlen)};
        const std::lock_guard lock{server.mutex};
        if (!server.silent) server.hear(topic->device, topic->level, payload);
        server.changed.notify_all();
    }

    void hear(const topics::DeviceId& id, Level level, std::string_view payload) {
        Device& device = devices[id.text()];
        if (level == Level::state) {
            const auto state = topics::decode_state(payload);
            if (std::holds_alternative<topics::Will>(*state)) {
                ++view.wills;
                return;
            }
            const auto& birth = std::get<topics::Birth>(*state);
            ++view.births;
            device.known.insert(birth.cn.value);
            device.id = id;
            device.cn = birth.cn;
            device.packet_bytes = birth.packet_bytes_max;
            view.last_birth[id.text()] = birth;
            if (device.epoch.value == 0 || birth.hi < device.last) {
                device.epoch.value = next_epoch++;
                device.last = {};
                ++view.epochs;
            }
            ack(id, device, birth.cn,
                birth.epoch == device.epoch ? AckError::none : AckError::epoch);
        } else if (level == Level::facts) {
            const auto batch = topics::decode_facts(payload);
            if (!batch) return;
            AckError error = AckError::none;
            if (!device.known.contains(batch->cn.value)) {
                error = AckError::hello;
            } else if (batch->epoch != device.epoch) {
                error = AckError::epoch;
            } else {
                store(id, device, *batch);
                if (swallow > 0) {
                    --swallow;
                    return;
                }
            }
            ack(id, device, batch->cn, error);
        } else if (level == Level::request) {
            const auto request = topics::decode_request(payload);
            ++view.requests;
            topics::RequestAnswer answer;
            answer.cn = request->cn;
            answer.number = request->number;
            if (std::holds_alternative<topics::DocumentInfo>(request->body) ||
                std::holds_alternative<topics::DocumentGet>(request->body)) {
                answer_about_document(id, device, *request, answer);
                return;
            }
            answer.rc = rc;
            if (rc != 0) answer.code = "no_right";
            publish(id, Level::answer, topics::encode(answer));
        } else if (level == Level::telemetry) {
            const auto heartbeat = topics::decode_heartbeat(payload);
            if (heartbeat) ack(id, device, heartbeat->cn, AckError::none);
        } else if (level == Level::chunk_up) {
            const auto chunk = topics::decode_chunk(payload);
            const std::int64_t size = topics::chunk_bytes_for(device.packet_bytes);
            if (!chunk || chunk->index * size != static_cast<std::int64_t>(device.fetched.size())) {
                return;
            }
            device.fetched += chunk->bytes;
            if (static_cast<std::int64_t>(device.fetched.size()) < device.offered.bytes) {
                ask_for_chunk(id, device);
            } else if (topics::to_hex(topics::sha256(device.fetched)) == device.offered.sha256) {
                view.logs[id.text()] = device.fetched;
            }
        }
    }

    void ask_for_chunk(const topics::DeviceId& id, const Device& device) {
        const auto index = static_cast<std::int64_t>(device.fetched.size()) /
                           topics::chunk_bytes_for(device.packet_bytes);
        publish(id, Level::chunk_down,
                topics::encode(topics::ChunksWanted{device.cn, device.offered.document, index, 1}));
    }

    void answer_about_document(const topics::DeviceId& id, const Device& device,
                               const topics::Request& request, topics::RequestAnswer& answer) {
        const std::int64_t size = topics::chunk_bytes_for(device.packet_bytes);
        const auto* get = std::get_if<topics::DocumentGet>(&request.body);
        const auto* info = std::get_if<topics::DocumentInfo>(&request.body);
        const auto found = documents.find(get != nullptr ? get->document : info->document);
        if (found == documents.end()) {
            answer.rc = 404;
        } else if (const auto& [version, content] = found->second; get != nullptr) {
            publish(id, Level::chunk_down,
                    topics::encode(topics::chunk_at(
                        content, topics::tag_of(topics::sha256(content)), get->index, size)));
            return;
        } else {
            answer.document =
                topics::DocumentFacts{version, static_cast<std::int64_t>(content.size()),
                                      topics::to_hex(topics::sha256(content)), size};
        }
        publish(id, Level::answer, topics::encode(answer));
    }

    void ack_all() {
        for (const auto& [text, device] : devices) {
            if (device.cn.value > 0) ack(device.id, device, device.cn, AckError::none);
        }
    }

    void store(const topics::DeviceId& id, Device& device, const topics::FactBatch& batch) {
        for (std::size_t i = 0; i < batch.facts.size(); ++i) {
            const topics::Fact& fact = batch.facts[i];
            const topics::Sequence sequence{batch.first.value + static_cast<std::int64_t>(i)};
            std::pair made{device.epoch.value, sequence.value};
            if (fact.old) made = {fact.old->epoch.value, fact.old->sequence.value};
            if (sequence <= device.last || !device.made.insert(made).second) {
                ++view.skipped;
            } else {
                view.facts[id.text()].push_back(fact.kind);
                if (const auto* end = std::get_if<topics::CommandDone>(&fact.body)) {
                    view.done[id.text()][end->command] = end->rc;
                }
                if (const auto* offer = std::get_if<topics::DocumentReady>(&fact.body)) {
                    device.offered = *offer;
                    device.fetched.clear();
                    ask_for_chunk(id, device);
                }
            }
            device.last = std::max(device.last, sequence);
        }
    }

    void ack(const topics::DeviceId& id, const Device& device, topics::Connection cn,
             AckError error) {
        topics::Ack ack;
        ack.cn = cn;
        ack.epoch = device.epoch;
        ack.acked = device.last;
        ack.now_s = topics::unix_seconds(std::chrono::time_point_cast<std::chrono::microseconds>(
            std::chrono::system_clock::now()));
        ack.lease_s = 3600;
        ack.error = error;
        const auto rights = documents.find("rights");
        if (rights != documents.end()) ack.rights_version = rights->second.first;
        ack.firmware_wanted = firmware_wanted;
        if (spread_s > 0) ack.reconnect_spread_s = spread_s;
        publish(id, Level::ack, topics::encode(ack));
    }

    void publish(const topics::DeviceId& id, Level level, const std::string& payload) {
        mosquitto_publish(client, nullptr, topics::device_topic(id, level).c_str(),
                          static_cast<int>(payload.size()), payload.data(), 0, false);
    }

    void start_broker() {
        const std::string config = (directory.path / "mosquitto.conf").string();
        std::ofstream{config}
            << "listener " << port << " 127.0.0.1\nallow_anonymous true\n"
            << "persistence false\nset_tcp_nodelay true\nuser root\nlog_type none\n";
        broker = ::fork();
        if (broker == 0) {
            ::execlp("mosquitto", "mosquitto", "-c", config.c_str(), nullptr);
            ::execl("/usr/sbin/mosquitto", "mosquitto", "-c", config.c_str(), nullptr);
            ::_exit(127);
        }
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds{10};
        while (!answers(port)) {
            if (std::chrono::steady_clock::now() > deadline) {
                throw std::runtime_error{"mosquitto does not answer"};
            }
            ::usleep(5000);  // polls
        }
    }

    void kill_broker() {
        if (broker <= 0) return;
        ::kill(broker, SIGKILL);
        ::waitpid(broker, nullptr, 0);
        broker = -1;
        const std::lock_guard lock{mutex};
        ready = false;
    }
};

ModelServer::ModelServer() : impl_{std::make_unique<Impl>()} {
    impl_->start_broker();
    mosquitto_lib_init();
    impl_->client = mosquitto_new("model-server", true, impl_.get());
    mosquitto_int_option(impl_->client, MOSQ_OPT_TCP_NODELAY, 1);
    mosquitto_connect_callback_set(impl_->client, &Impl::on_connect);
    mosquitto_subscribe_callback_set(impl_->client, &Impl::on_subscribe);
    mosquitto_message_callback_set(impl_->client, &Impl::on_message);
    mosquitto_reconnect_delay_set(impl_->client, 1, 1, false);
    mosquitto_connect(impl_->client, "127.0.0.1", impl_->port, 30);
    mosquitto_loop_start(impl_->client);
    std::unique_lock lock{impl_->mutex};
    impl_->changed.wait_for(lock, std::chrono::seconds{10}, [this] { return impl_->ready; });
}

ModelServer::~ModelServer() {
    mosquitto_disconnect(impl_->client);
    mosquitto_loop_stop(impl_->client, false);
    mosquitto_destroy(impl_->client);
    impl_->kill_broker();
}

int ModelServer::port() const {
    return impl_->port;
}
void ModelServer::kill_broker() {
    impl_->kill_broker();
}
void ModelServer::start_broker() {
    impl_->start_broker();
}
void ModelServer::silent(bool on) {
    const std::lock_guard lock{impl_->mutex};
    impl_->silent = on;
}
void ModelServer::swallow_acks(int times) {
    const std::lock_guard lock{impl_->mutex};
    impl_->swallow = times;
}
void ModelServer::answer_with(std::int64_t rc) {
    const std::lock_guard lock{impl_->mutex};
    impl_->rc = rc;
}
void ModelServer::forget_devices() {
    const std::lock_guard lock{impl_->mutex};
    for (auto& [id, device] : impl_->devices) {
        device.epoch = {};
        device.known.clear();
    }
}

void ModelServer::announce_rights(const topics::RightsDocument& document) {
    const std::lock_guard lock{impl_->mutex};
    impl_->documents["rights"] = {document.version, topics::encode(document)};
    impl_->ack_all();
}
void ModelServer::announce_firmware(const std::string& version, const std::string& image) {
    const std::lock_guard lock{impl_->mutex};
    impl_->documents["firmware"] = {impl_->documents["firmware"].first + 1, image};
    impl_->firmware_wanted = version;
    impl_->ack_all();
}
void ModelServer::send_command(const topics::DeviceId& id, topics::CommandBody body,
                               std::int64_t number) {
    const std::lock_guard lock{impl_->mutex};
    topics::Command command;
    command.cn = impl_->devices[id.text()].cn;
    command.number = number;
    command.expires_s =
        topics::unix_seconds(std::chrono::time_point_cast<std::chrono::microseconds>(
            std::chrono::system_clock::now())) +
        60;
    command.body = std::move(body);
    impl_->publish(id, Level::command, topics::encode(command));
}
void ModelServer::spread_reconnects(std::int64_t seconds) {
    const std::lock_guard lock{impl_->mutex};
    impl_->spread_s = seconds;
    impl_->ack_all();
}

ServerView ModelServer::view() const {
    const std::lock_guard lock{impl_->mutex};
    return impl_->view;
}

bool ModelServer::wait_until(const std::function<bool(const ServerView&)>& condition,
                             std::chrono::milliseconds deadline) const {
    std::unique_lock lock{impl_->mutex};
    return impl_->changed.wait_for(lock, deadline, [&] { return condition(impl_->view); });
}

}  // namespace klyuchnik::test
