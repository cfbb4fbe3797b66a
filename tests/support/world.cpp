#include "tests/support/world.hpp"

#include <algorithm>
#include <cctype>
#include <chrono>
#include <csignal>
#include <fstream>
#include <iostream>
#include <set>
#include <sstream>
#include <stdexcept>
#include <tuple>

#include <httplib.h>
#include <nlohmann/json.hpp>

#include "tests/support/witness/account.hpp"
#include "topics/codec.hpp"
#include "topics/sha256.hpp"

namespace klyuchnik::test {
namespace {

using nlohmann::json;
using namespace std::chrono_literals;

const std::filesystem::path kHandlersProgram{KLYUCHNIK_HANDLERS};
const std::filesystem::path kBridgeProgram{KLYUCHNIK_BRIDGE};
const std::filesystem::path kLogs{KLYUCHNIK_TEST_LOGS};

constexpr std::chrono::seconds kHttpPatience{20};
constexpr std::size_t kLinesShown = 8;

std::string test_name() {
    const auto* info = ::testing::UnitTest::GetInstance()->current_test_info();
    if (info == nullptr) return "no-test";
    std::string name = std::string{info->test_suite_name()} + "." + info->name();
    std::ranges::replace(name, '/', '-');
    return name;
}

void write_secret(const std::filesystem::path& file, const std::string& secret) {
    { std::ofstream empty{file, std::ios::trunc}; }
    std::filesystem::permissions(
        file, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
    std::ofstream out{file, std::ios::trunc};
    out << secret << '\n';
}

const json* member_of(const json& root, const std::string& member) {
    try {
        if (member.empty()) return &root;
        const json::json_pointer pointer{member.front() == '/' ? member : "/" + member};
        return root.contains(pointer) ? &root.at(pointer) : nullptr;
    } catch (const json::exception&) {
        return nullptr;
    }
}

/// `name{labels} value` lines of an exposition.
double sum_of(const std::string& exposition, const std::string& name, const std::string& label) {
    std::istringstream lines{exposition};
    double sum = 0;
    for (std::string line; std::getline(lines, line);) {
        if (!line.starts_with(name) || line.size() == name.size()) continue;
        const char next = line[name.size()];
        if (next != '{' && next != ' ') continue;
        if (!label.empty() && line.find(label) == std::string::npos) continue;
        sum += std::stod(line.substr(line.rfind(' ') + 1));
    }
    return sum;
}

std::string json_text(const std::string& text) {
    return json(text).dump();
}

template <class T>
T decoded(topics::Decoded<T> result, const std::string& payload) {
    if (!result) throw std::runtime_error{result.error().text() + " in " + payload};
    return std::move(*result);
}

}  // namespace

std::int64_t now_s() {
    return std::chrono::duration_cast<std::chrono::seconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
}

std::string fact(const std::string& kind, const std::string& content) {
    return R"({"t":)" + std::to_string(now_s()) + R"(,"k":")" + kind + R"(","d":)" + content + "}";
}

std::string sha256_hex(std::string_view text) {
    return topics::to_hex(topics::sha256(text));
}

std::string taken(const std::string& tag, const std::string& card) {
    return fact("key.taken", R"({"tg":)" + json_text(tag) +
                                 (card.empty() ? "" : R"(,"cd":)" + json_text(card)) + "}");
}

std::string returned(const std::string& tag, const std::string& card) {
    return fact("key.returned", R"({"tg":)" + json_text(tag) +
                                    (card.empty() ? "" : R"(,"cd":)" + json_text(card)) + "}");
}

// == HTTP answers
// ==============================================================================================

std::string HttpAnswer::header(const std::string& name) const {
    const auto found = headers.find(name);
    return found == headers.end() ? std::string{} : found->second;
}

std::string HttpAnswer::text(const std::string& member) const {
    const json root = json::parse(body, nullptr, false);
    const json* found = member_of(root, member);
    if (found == nullptr) return {};
    return found->is_string() ? found->get<std::string>() : found->dump();
}

std::int64_t HttpAnswer::number(const std::string& member) const {
    const json root = json::parse(body, nullptr, false);
    const json* found = member_of(root, member);
    return found != nullptr && found->is_number_integer() ? found->get<std::int64_t>() : -1;
}

std::int64_t HttpAnswer::size(const std::string& member) const {
    const json root = json::parse(body, nullptr, false);
    const json* found = member_of(root, member);
    return found != nullptr && found->is_array() ? static_cast<std::int64_t>(found->size()) : -1;
}

// == raw devices and askers
// ==============================================================================================

namespace {
ClientOptions options_of(TestBroker& broker, const std::string& id, std::int64_t will) {
    ClientOptions options = broker.device(id);
    if (will != 0) {
        options.will = Will{"kl/v1/" + id.substr(0, 2) + "/" + id + "/st",
                            R"({"v":1,"on":0,"cn":)" + std::to_string(will) + "}", 1, true};
    }
    return options;
}
}  // namespace

RawDevice::RawDevice(TestBroker& broker, const std::string& id, std::int64_t will)
    : id_{id}, client_{options_of(broker, id, will)} {
    if (client_.connect() != 0) throw std::runtime_error{id + " was not let in"};
    if (client_.subscribe("kl/v1/" + id.substr(0, 2) + "/" + id + "/dn/+", 0) > 1) {
        throw std::runtime_error{id + " may not hear its own topics"};
    }
}

std::string RawDevice::topic(std::string_view level) const {
    return "kl/v1/" + id_.substr(0, 2) + "/" + id_ + "/" + std::string{level};
}

int RawDevice::publish(std::string_view level, std::string_view payload, bool retain) {
    return client_.publish(topic(level), payload, 1, retain);
}

topics::Ack RawDevice::next_ack() {
    const auto message = client_.wait_for_topic(topic("dn/ak"));
    if (!message) throw std::runtime_error{"no ack for " + id_};
    return decoded(topics::decode_ack(message->payload), message->payload);
}

topics::Ack RawDevice::birth(std::int64_t cn, std::int64_t epoch, std::int64_t lo, std::int64_t hi,
                             std::int64_t boot, std::int64_t since_boot_ms) {
    const json body{
        {"v", 1},       {"on", 1},  {"cn", cn}, {"ep", epoch}, {"b", boot}, {"m", since_boot_ms},
        {"lo", lo},     {"hi", hi}, {"cf", 0},  {"cs", 0},     {"ka", 30},  {"rx", 1024},
        {"fw", "raw-1"}};
    publish("st", body.dump(), true);
    return ack_to(cn, 0);
}

topics::Ack RawDevice::facts(std::int64_t cn, std::int64_t epoch, std::int64_t lo,
                             std::int64_t first, const std::vector<std::string>& facts) {
    std::string list;
    for (const std::string& one : facts) list += (list.empty() ? "" : ",") + one;
    publish("up/ev", R"({"v":1,"cn":)" + std::to_string(cn) + R"(,"ep":)" + std::to_string(epoch) +
                         R"(,"lo":)" + std::to_string(lo) + R"(,"s":)" + std::to_string(first) +
                         R"(,"e":[)" + list + "]}");
    return ack_to(cn, first + static_cast<std::int64_t>(facts.size()) - 1);
}

topics::Ack RawDevice::ack_to(std::int64_t cn, std::int64_t last) {
    // The server also says of its own accord what has changed: such an ack answers nothing.
    while (true) {
        const topics::Ack ack = next_ack();
        const bool plain = ack.error == topics::AckError::none;
        if (!plain || (ack.cn.value == cn && ack.acked.value >= last)) return ack;
    }
}

topics::RequestAnswer RawDevice::request(std::int64_t cn, std::int64_t number,
                                         const std::string& kind, const std::string& content) {
    publish("up/rq", R"({"v":1,"cn":)" + std::to_string(cn) + R"(,"r":)" + std::to_string(number) +
                         R"(,"k":")" + kind + R"(","d":)" + content + "}");
    const auto message = client_.wait_for_topic(topic("dn/re"));
    if (!message) throw std::runtime_error{"no answer for " + id_};
    return decoded(topics::decode_request_answer(message->payload), message->payload);
}

RawAsker::RawAsker(TestBroker& broker, const std::string& name)
    : name_{name}, client_{broker.service(name)} {
    if (client_.connect() != 0) throw std::runtime_error{name + " was not let in"};
    if (client_.subscribe("kl/v1/re/" + name, 1) > 1) {
        throw std::runtime_error{name + " may not hear its answers"};
    }
}

void RawAsker::send(const std::string& domain, const std::string& name,
                    const std::string& payload) {
    client_.publish("kl/v1/ask/" + domain + "/" + name + "/" + name_, payload, 1);
}

std::string RawAsker::next_raw(std::chrono::milliseconds deadline) {
    const auto message = client_.wait_for_topic("kl/v1/re/" + name_, deadline);
    return message ? message->payload : std::string{};
}

topics::AskAnswer RawAsker::next() {
    const std::string payload = next_raw();
    if (payload.empty()) throw std::runtime_error{"no answer for " + name_};
    return decoded(topics::decode_ask_answer(payload), payload);
}

topics::AskAnswer RawAsker::ask(const std::string& domain, const std::string& name,
                                const std::string& payload) {
    send(domain, name, payload);
    return next();
}

// == the world
// ==============================================================================================

World::World(WorldOptions options)
    : logs_{kLogs / test_name()},
      tls_{options.tls},
      bridge_flags_{std::move(options.bridge_flags)} {
    std::filesystem::remove_all(logs_);
    std::filesystem::create_directories(logs_);
    if (options.own_cluster) own_cluster_ = std::make_unique<OwnCluster>();
    database_ = std::make_unique<TestDatabase>(cluster());
    db_ = std::make_unique<OwnerConnection>(cluster(), database_->name());
    broker_ = std::make_unique<TestBroker>(BrokerOptions{options.tls, false, {}});
    write_secret(logs_ / "share", "0123456789abcdef" + database_->name());
    for (int i = 0; i < options.handlers; ++i) start_handlers();
    if (options.bridge) {
        start_bridge();
        sign_in();
    }
}

World::~World() {
    // Paused ones could not be ended otherwise than by SIGKILL, which is what happens to all: no
    // test may depend on an orderly end that it has not asked for.
    bridge_.reset();
    for (Handlers& one : handlers_) one.child.reset();
    const auto* info = ::testing::UnitTest::GetInstance()->current_test_info();
    if (info != nullptr && info->result()->Failed()) {
        for (const auto& entry : std::filesystem::directory_iterator{logs_}) {
            if (entry.path().extension() != ".log") continue;
            std::cerr << "-- end of " << entry.path().string() << '\n'
                      << tail_of(entry.path(), kLinesShown) << '\n';
        }
        std::ofstream{logs_ / "broker.log"} << broker_->log();
    }
    broker_.reset();
    db_.reset();
    database_.reset();
}

const Cluster& World::cluster() const {
    return own_cluster_ ? own_cluster_->access() : shared_cluster();
}

std::string World::metrics_text(int port) {
    httplib::Client http{"127.0.0.1", port};
    http.set_connection_timeout(kHttpPatience);
    http.set_read_timeout(kHttpPatience);
    const auto result = http.Get("/metrics");
    return result && result->status == 200 ? result->body : std::string{};
}

bool World::serves(const Handlers& one) {
    return sum_of(metrics_text(one.metrics_port), "klyuchnik_mqtt_connected", "") >= 1;
}

std::size_t World::start_handlers(const std::vector<std::string>& environment) {
    const std::string number = std::to_string(handlers_.size() + 1);
    const std::string user = "handlers-" + number;
    write_secret(logs_ / user, broker_->service_password(user));
    Handlers one;
    one.metrics_port = free_port();
    Command command;
    command.words = {kHandlersProgram,
                     "--db",
                     cluster().conninfo(database_->name()),
                     "--mqtt-port",
                     std::to_string(broker_->services_port()),
                     "--mqtt-user",
                     user,
                     "--mqtt-password-file",
                     logs_ / user,
                     "--share-group-file",
                     logs_ / "share",
                     "--metrics-port",
                     std::to_string(one.metrics_port)};
    command.environment = environment;
    command.environment.push_back("PGPASSFILE=" +
                                  (cluster().passfiles / "handlers.pgpass").string());
    command.log = logs_ / (user + ".log");
    one.child = std::make_unique<Child>(command);
    handlers_.push_back(std::move(one));
    Handlers& started = handlers_.back();
    if (!eventually([&] { return serves(started) || !started.child->running(); })) {
        throw std::runtime_error{user + " does not serve"};
    }
    if (!started.child->running() && environment.empty()) {
        throw std::runtime_error{user + " ended at once:\n" + contents_of(command.log)};
    }
    return handlers_.size() - 1;
}

void World::kill9_handlers(std::size_t which) {
    handlers_.at(which).child->kill9();
}

void World::kill9_all_handlers() {
    for (Handlers& one : handlers_) one.child->kill9();
}

bool World::died_at(std::size_t which, const std::string& point) {
    Child& child = handlers(which);
    const auto ending = child.wait();
    return ending && ending->signal == SIGKILL &&
           contents_of(child.log()).find("crash point " + point) != std::string::npos;
}

void World::start_bridge() {
    const std::string user = "bridge-1";
    write_secret(logs_ / user, broker_->service_password(user));
    Command command;
    command.words = {kBridgeProgram,
                     "--db",
                     cluster().conninfo(database_->name()),
                     "--mqtt-port",
                     std::to_string(broker_->services_port()),
                     "--mqtt-user",
                     user,
                     "--mqtt-password-file",
                     logs_ / user,
                     "--http-port",
                     "0"};
    if (tls_) {
        const auto more = {std::string{"--public-mqtt-host"},
                           std::string{"127.0.0.1"},
                           std::string{"--public-mqtt-port"},
                           std::to_string(broker_->devices_port(Entrance::tls)),
                           std::string{"--public-mqtt-certificates-port"},
                           std::to_string(broker_->devices_port(Entrance::certificate)),
                           std::string{"--public-mqtt-ca-file"},
                           broker_->certificates().file("service-ca.crt"),
                           std::string{"--device-ca-cert-file"},
                           broker_->certificates().file("device-ca.crt"),
                           std::string{"--device-ca-key-file"},
                           broker_->certificates().file("device-ca.key")};
        command.words.insert(command.words.end(), more.begin(), more.end());
    }
    command.words.insert(command.words.end(), bridge_flags_.begin(), bridge_flags_.end());
    command.environment = {"PGPASSFILE=" + (cluster().passfiles / "bridge.pgpass").string()};
    command.log = logs_ / "bridge.log";
    std::filesystem::remove(command.log);
    bridge_ = std::make_unique<Child>(command);
    const std::string word = "listening on http://127.0.0.1:";
    const bool listens = eventually([&] {
        const std::string log = contents_of(command.log);
        const std::size_t at = log.find(word);
        if (at == std::string::npos || log.find('\n', at) == std::string::npos) {
            return !bridge_->running();
        }
        http_port_ = std::stoi(log.substr(at + word.size()));
        return true;
    });
    if (!listens || !bridge_->running() ||
        !eventually([&] { return get("/readyz").status == 200; })) {
        throw std::runtime_error{"the bridge is not ready:\n" + contents_of(command.log)};
    }
}

void World::sign_in() {
    const HttpAnswer answer = post(
        "/v1/session", json{{"login", "admin"}, {"password", cluster().admin_password}}.dump());
    if (answer.status != 201) {
        throw std::runtime_error{"no sign-in: " + std::to_string(answer.status) + answer.body};
    }
    token_ = answer.text("token");
    account_ = answer.number("account");
}

::testing::AssertionResult World::becomes(const std::string& sql, std::int64_t wanted) {
    std::int64_t last = 0;
    if (eventually([&] { return (last = count(sql)) == wanted; })) {
        return ::testing::AssertionSuccess();
    }
    return ::testing::AssertionFailure() << sql << " says " << last << ", not " << wanted;
}

// == HTTP
// ==============================================================================================

HttpAnswer World::send(const std::string& method, const std::string& path, const std::string& body,
                       const Headers& headers, const std::string& content_type) {
    httplib::Client http{"127.0.0.1", http_port_};
    http.set_connection_timeout(kHttpPatience);
    http.set_read_timeout(kHttpPatience);
    http.set_tcp_nodelay(true);
    httplib::Request request;
    request.method = method;
    request.path = path;
    request.body = body;
    if (!content_type.empty() && method != "GET") request.set_header("Content-Type", content_type);
    for (const auto& [name, value] : headers) {
        // An empty one says: not even the administrator's.
        if (!value.empty()) request.set_header(name.c_str(), value);
    }
    if (!token_.empty() && headers.find("Authorization") == headers.end()) {
        request.set_header("Authorization", "Bearer " + token_);
    }
    const auto result = http.send(request);
    HttpAnswer answer;
    if (!result) return answer;
    answer.status = result->status;
    answer.body = result->body;
    for (const auto& [name, value] : result->headers) {
        std::string lower = name;
        std::ranges::transform(lower, lower.begin(),
                               [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
        answer.headers.emplace(lower, value);
    }
    return answer;
}

HttpAnswer World::get(const std::string& path, const Headers& headers) {
    return send("GET", path, "", headers);
}

HttpAnswer World::post(const std::string& path, const std::string& body, const Headers& headers) {
    return send("POST", path, body, headers);
}

// == the building
// ==============================================================================================

std::string World::add_device(const std::string& id) {
    if (const auto known = secrets_.find(id); known != secrets_.end()) return known->second;
    const HttpAnswer made =
        post("/v1/devices", json{{"device", id}, {"name", "Test " + id}}.dump());
    if (made.status != 201) throw std::runtime_error{"no device: " + made.body};
    const HttpAnswer claimed = claim(id, made.text("claim_code"));
    if (claimed.status != 201) throw std::runtime_error{"no credential: " + claimed.body};
    // The handlers tell the broker.
    broker_->know_device(id, claimed.text("secret"));
    return secrets_[id] = claimed.text("secret");
}

HttpAnswer World::claim(const std::string& id, const std::string& code, const std::string& nonce) {
    return post("/v1/claim", json{{"device", id}, {"code", code}, {"nonce", nonce}}.dump(),
                {{"Authorization", ""}});
}

topics::AskAnswer World::try_ask(const std::string& domain, const std::string& name,
                                 const std::string& content, const std::string& account) {
    if (!asker_) asker_ = std::make_unique<RawAsker>(*broker_, "bridge-8");
    const std::string by = account.empty()
                               ? db_->text(
                                     "select 'account:' || account_id from accounts.accounts "
                                     "where login = 'admin'")
                               : account;
    return asker_->ask(domain, name,
                       R"({"v":1,"id":"world-)" + std::to_string(++asked_) + R"(","x":)" +
                           std::to_string(now_s() + 60) + R"(,"by":{"account":")" + by +
                           R"(","via":"session"},"d":)" + content + "}");
}

topics::AskAnswer World::ask(const std::string& domain, const std::string& name,
                             const std::string& content, const std::string& account) {
    const topics::AskAnswer answer = try_ask(domain, name, content, account);
    if (answer.rc != 0 && answer.rc != 202) {
        throw std::runtime_error{domain + "." + name + ": " + answer.text.value_or("refused")};
    }
    return answer;
}

Person World::add_person(const std::string& name, const std::string& card) {
    const HttpAnswer answer =
        post("/v1/people", json{{"full_name", name}, {"cards", {card}}}.dump());
    if (answer.status != 201) throw std::runtime_error{"no person: " + answer.body};
    return {answer.number("person"), topics::CardSerial{card}};
}

Key World::add_key(const std::string& name, const std::string& cabinet, int slot,
                   const std::string& tag) {
    json body{{"name", name}, {"room", "Room " + name}};
    if (!cabinet.empty()) {
        body["cabinet"] = cabinet;
        body["slot"] = slot;
    }
    if (!tag.empty()) body["tag"] = tag;
    const HttpAnswer answer = post("/v1/keys", body.dump());
    if (answer.status != 201) throw std::runtime_error{"no key: " + answer.body};
    return {answer.number("key"), {topics::Slot{slot}, topics::KeyName{name}, topics::TagId{tag}}};
}

void World::grant(const Person& person, const Key& key) {
    const HttpAnswer answer =
        post("/v1/rights", json{{"person", person.id}, {"key", key.id}}.dump());
    if (answer.status != 201) throw std::runtime_error{"no right: " + answer.body};
}

std::filesystem::path World::state_dir(const std::string& cabinet) const {
    return logs_ / "state" / cabinet;
}

std::unique_ptr<sim::CabinetClient> World::cabinet(
    const std::string& id, const std::vector<Key>& keys, const sim::CardRights& rights,
    const std::function<void(sim::CabinetSettings&)>& change) {
    add_device(id);
    sim::CabinetSettings settings;
    settings.link.port = broker_->devices_port();
    settings.link.id = *topics::DeviceId::parse(id);
    settings.link.secret = broker_->device(id).password;
    settings.state_dir = state_dir(id);
    std::filesystem::create_directories(settings.state_dir);
    settings.flush = false;
    for (const Key& key : keys) settings.keys.push_back(key.home);
    settings.device.resend_first = 150ms;
    settings.device.resend_max = 1s;
    settings.device.request_deadline = 3s;
    settings.reconnect_first = 50ms;
    settings.reconnect_max = 500ms;
    settings.seed = seed_++;
    if (change) change(settings);
    return std::make_unique<sim::CabinetClient>(settings, rights);
}

void World::settle() {
    const std::string left =
        // Not by now(), which is a little older than what the statement sees.
        "select (select count(*) from keys.stale_cabinets where due_at < clock_timestamp() + "
        "interval '10 s') + (select count(*) from log.events) - (select coalesce(min(position), 0) "
        "from runtime.reactions)";
    if (!becomes(left, 0)) throw std::runtime_error{"the rights documents do not come to rest"};
}

RawDevice World::raw_device(const std::string& id, std::int64_t will) {
    add_device(id);
    return RawDevice{*broker_, id, will};
}

// == numbers
// ==============================================================================================

double World::metric(const std::string& name, const std::string& label) {
    double sum = 0;
    for (Handlers& one : handlers_) {
        if (one.child->running()) sum += sum_of(metrics_text(one.metrics_port), name, label);
    }
    return sum;
}

double World::metric_of(std::size_t handlers, const std::string& name, const std::string& label) {
    return sum_of(metrics_text(handlers_.at(handlers).metrics_port), name, label);
}

double World::bridge_metric(const std::string& name, const std::string& label) {
    return sum_of(metrics_text(http_port_), name, label);
}

bool World::metric_reaches(const std::string& name, double wanted, const std::string& label) {
    return eventually([&] { return metric(name, label) >= wanted; });
}

// == the oracle
// ==============================================================================================

void World::expect_gapless_feed() {
    EXPECT_TRUE(
        becomes("select (select count(*) from log.events) - "
                "(select count(*) from log.positions)",
                0))
        << "every event has its place";
    EXPECT_EQ(count("select count(*) - coalesce(max(position), 0) from log.positions"), 0)
        << "places have no gap";
    EXPECT_EQ(count("select coalesce(min(position), 1) from log.positions"), 1);
}

void World::expect_exactly_once(const std::vector<std::string>& cabinets) {
    // Loans as the devices tell it: by key, how often taken and returned, and who has it now.
    struct Story {
        std::int64_t taken = 0;
        std::int64_t returned = 0;
        std::string holder;
        bool out = false;
    };
    std::map<std::string, Story> stories;
    for (const std::string& id : cabinets) {
        SCOPED_TRACE(id);
        const auto account = witness::read_account(state_dir(id) / "generated.tsv");
        const auto own = account.find(id);
        ASSERT_NE(own, account.end());
        std::map<std::pair<std::int64_t, std::int64_t>, std::string> stored;
        for (const auto& row : db_->rows("select epoch, sequence, kind from runtime.facts "
                                         "where device_id = $1",
                                         {id})) {
            stored[{std::stoll(row[0]), std::stoll(row[1])}] = row[2];
        }
        std::size_t found = 0;
        for (const witness::GeneratedFact& made : own->second) {
            EXPECT_FALSE(made.dropped);
            EXPECT_FALSE(made.set_aside);
            std::vector<witness::FactNumber> numbers = made.numbers;
            std::ranges::sort(numbers);
            numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
            int times = 0;
            for (const auto& number : numbers) {
                const auto at = stored.find(number);
                // One number may name two facts of two epochs 0: only the same kind counts.
                if (at != stored.end() && number.first != 0 && at->second == made.kind) ++times;
            }
            EXPECT_EQ(times, 1) << made.kind << " made as " << made.numbers.front().first << ":"
                                << made.numbers.front().second;
            found += static_cast<std::size_t>(times);
            Story& story = stories[made.key];
            if (made.kind == "key.taken") {
                ++story.taken;
                story.out = true;
                story.holder = made.card;
            } else if (made.kind == "key.returned") {
                ++story.returned;
                story.out = false;
            }
        }
        EXPECT_EQ(stored.size(), found) << "nothing is stored that was not made";
        EXPECT_EQ(stored.size(), own->second.size());
        // A fact causes exactly one event, named after it.
        EXPECT_EQ(db_->number("select count(*) from runtime.facts f where device_id = $1 and "
                              "(select count(*) from log.events e where e.source = f.device_id || "
                              "':' || f.epoch || ':' || f.sequence) <> 1",
                              {id}),
                  0);
        EXPECT_EQ(db_->number("select count(*) from runtime.facts where device_id = $1 and outcome "
                              "not in ('applied', 'logged')",
                              {id}),
                  0);
    }
    for (const auto& [key, story] : stories) {
        if (key.empty() || story.taken + story.returned == 0) continue;
        SCOPED_TRACE("key " + key);
        const auto of_key = [&](const std::string& condition) {
            return db_->number(
                "select count(*) from keys.loans l join keys.keys k using (key_id) "
                "where k.name = $1 and not l.issued and " +
                    condition,
                {key});
        };
        EXPECT_EQ(of_key("true"), story.taken);
        EXPECT_EQ(of_key("l.closed_why = 'returned'"), story.returned);
        EXPECT_EQ(of_key("l.closed_at is null"), story.out ? 1 : 0);
        if (story.out) {
            EXPECT_EQ(db_->text("select i.value from keys.loans l join keys.keys k using (key_id) "
                                "join accounts.identifiers i on i.person_id = l.person_id "
                                "where k.name = $1 and l.closed_at is null",
                                {key}),
                      story.holder);
        }
    }
    EXPECT_EQ(count("select count(*) from keys.conflicts"), 0);
    EXPECT_EQ(count("select count(*) from runtime.dead_letters"), 0);
    EXPECT_EQ(count("select count(*) from runtime.device_gaps"), 0);
    expect_gapless_feed();
}

}  // namespace klyuchnik::test
