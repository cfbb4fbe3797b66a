#include "firmware-sim/conformance/tool.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <fstream>
#include <optional>
#include <stdexcept>

#include <fmt/format.h>

#include "firmware-sim/conformance/broken.hpp"
#include "firmware-sim/conformance/conformance.hpp"
#include "firmware-sim/conformance/mqtt_line.hpp"
#include "firmware-sim/conformance/one_device.hpp"
#include "process/shutdown.hpp"

namespace klyuchnik::sim::conformance {
namespace {

constexpr double kScaleMin = 0.001;
constexpr double kScaleMax = 10;

int wrong(const std::string& what) {
    std::fprintf(stderr, "klyuchnik-sim: %s\n", what.c_str());
    return kExitWrongOptions;
}

std::optional<double> scale_of(const std::string& text) {
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    const bool number = error == std::errc{} && end == text.data() + text.size();
    if (!number || value < kScaleMin || value > kScaleMax) return std::nullopt;
    return value;
}

void write_json(const std::string& file, const std::string& json) {
    std::ofstream out{file, std::ios::binary | std::ios::trunc};
    out << json << '\n';
    out.close();
    if (!out) throw std::runtime_error{"can not write " + file};
}

}  // namespace

void declare_options(process::Settings& settings, ExamOptions& options) {
    process::mqtt_options(settings, options.mqtt);
    settings.text("device", options.device, "The device to examine: kc-... or sg-...");
    settings.text("json", options.json_file, "Where the report goes as one JSON object as well");
    settings.text("scale", options.scale,
                  "All waits of the contract times this, for a device built with others; 0.001 "
                  "to 10");
    settings.list("only", options.only,
                  fmt::format("Of {} only these", fmt::join(check_names(), ", ")));
    settings.flag("fast", options.fast,
                  "Learn how long the device waits before repeats, and hold it to the ratios only");
    settings.flag("interactive", options.interactive,
                  "Somebody is at the device and does what is asked on stderr");
    settings.flag("kick", options.kick,
                  "The broker has the guard, which cuts the connection; else a person does");
    settings.number("slack-ms", options.slack_ms, 0, 60'000,
                    "What network and scheduler may add to a wait, ms");
    settings.number("wait-seconds", options.wait_seconds, 1, 3600,
                    "How long the device may take to connect, or to reboot, s");
}

void declare_options(process::Settings& settings, OneDeviceOptions& options) {
    settings.text("host", options.host, "Broker");
    settings.number("port", options.port, 1, 65535, "Port of the broker's listener for devices");
    settings.text("ca-file", options.ca_file, "Authority of the broker's certificate, PEM: TLS");
    settings.text("device", options.device, "Its id: kc-... or sg-...");
    settings.secret_file("secret-file", options.secret, "File that holds the device's secret");
    settings.text("broken", options.broken, "What is wrong with it; empty: nothing");
    settings.flag("list", options.list, "Print what --broken knows, and end");
    settings.number("resend-ms", options.resend_ms, 10, 60'000,
                    "A birth or batch without an ack is repeated after this, ms");
    settings.number("resend-max-ms", options.resend_max_ms, 10, 600'000,
                    "The wait doubles up to this, ms");
    settings.number("heartbeat-s", options.heartbeat_s, 5, 3600, "Between heartbeats, s");
    settings.number("packet-bytes", options.packet_bytes, 256, 131'072,
                    "Largest packet of the device, bytes");
    settings.number("visit-seconds", options.visit_seconds, 0, 3600,
                    "Somebody asks for a key so often, s; 0 = nobody");
    settings.number("seed", options.seed, 0, 1'000'000'000, "Of all chances");
}

int run_exam(const ExamOptions& options) {
    const auto device = topics::DeviceId::parse(options.device);
    if (!device) return wrong("conformance needs --device, kc-... or sg-...");
    const auto scale = scale_of(options.scale);
    if (!scale) {
        return wrong("--scale: expected a number from 0.001 to 10, got \"" + options.scale + "\"");
    }
    if (options.mqtt.user.empty()) return wrong("conformance needs --mqtt-user handlers-...");

    const auto names = check_names();
    for (const std::string& name : options.only) {
        if (std::ranges::find(names, name) == names.end()) {
            return wrong("--only: no check is called \"" + name + "\"");
        }
    }

    MqttLineSettings wire;
    wire.host = options.mqtt.host;
    wire.port = options.mqtt.port;
    wire.user = options.mqtt.user;
    wire.password = options.mqtt.password;
    wire.ca_file = options.mqtt.ca_file;
    wire.device = *device;
    wire.kick = options.kick;
    ExamSettings exam;
    exam.device = *device;
    exam.scale = *scale;
    exam.learn_pace = options.fast;
    exam.slack = std::chrono::milliseconds{options.slack_ms};
    exam.patience = std::chrono::seconds{options.wait_seconds};
    exam.interactive = options.interactive;
    exam.only = options.only;

    MqttLine line{wire};
    const Report report = examine(line, exam);
    if (!options.json_file.empty()) {
        write_json(options.json_file, to_json(report, device->text()));
    }
    std::fputs(to_text(report).c_str(), stdout);
    return report.any_failed() ? kExitFailed : 0;
}

int run_one(const OneDeviceOptions& options) {
    if (options.list) {
        for (const BrokenDevice& device : broken_devices()) {
            std::fputs(fmt::format("{:<36} breaks {}\n", device.name, device.fails.id).c_str(),
                       stdout);
        }
        return 0;
    }
    const auto device = topics::DeviceId::parse(options.device);
    if (!device) return wrong("run-one needs --device, kc-... or sg-...");
    if (!options.broken.empty() && find_broken(options.broken) == nullptr) {
        return wrong("--broken: nothing is called \"" + options.broken + "\" (see --list)");
    }
    OneDeviceSettings settings;
    settings.link.host = options.host;
    settings.link.port = static_cast<int>(options.port);
    settings.link.ca_file = options.ca_file;
    settings.link.id = *device;
    settings.link.secret = options.secret;
    DeviceSettings& its = settings.bench.device;
    its.resend_first = std::chrono::milliseconds{options.resend_ms};
    its.resend_max = std::chrono::milliseconds{options.resend_max_ms};
    its.heartbeat_s = options.heartbeat_s;
    its.heartbeat = std::chrono::seconds{options.heartbeat_s};
    its.packet_bytes_max = options.packet_bytes;
    settings.broken = options.broken;
    settings.visits = std::chrono::seconds{options.visit_seconds};
    settings.seed = static_cast<std::uint64_t>(options.seed);
    run_one_device(std::move(settings), [] { return process::Shutdown::requested(); });
    return 0;
}

}  // namespace klyuchnik::sim::conformance
