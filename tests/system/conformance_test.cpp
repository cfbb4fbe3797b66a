// klyuchnik-sim conformance as a firmware author uses it: a broker with the guard, one device, the
// tool.
#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "firmware-sim/cabinet/cabinet_client.hpp"
#include "tests/support/process.hpp"
#include "tests/support/test_broker.hpp"

namespace klyuchnik::test {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr auto kRunMax = 180s;
/// The machine is shared: what is judged here is that the parts fit together. The unit tests judge
/// waits, with a clock that nobody disturbs.
constexpr const char* kSlackMs = "2000";
constexpr int kFailed = 3;
constexpr int kWrongOptions = 2;

class ConformanceTool : public ::testing::Test {
 protected:
    std::filesystem::path file(const std::string& name, const std::string& content = {}) const {
        auto path = directory.path / name;
        std::ofstream{path} << content;
        std::filesystem::permissions(
            path, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
        return path;
    }

    std::vector<std::string> tool(const std::string& device) {
        return {KLYUCHNIK_SIM,
                "conformance",
                "--device",
                device,
                "--mqtt-port",
                std::to_string(broker.services_port()),
                "--mqtt-user",
                "handlers-exam",
                "--mqtt-password-file",
                file("password", broker.service_password("handlers-exam")),
                "--json",
                file("report.json"),
                "--fast",
                "--slack-ms",
                kSlackMs,
                "--wait-seconds",
                "30"};
    }
    /// Runs the tool to its end; its exit code, -1 when it has none in time.
    int examine(const std::string& device, const std::vector<std::string>& more = {}) {
        auto words = tool(device);
        words.insert(words.end(), more.begin(), more.end());
        Child child{{words, {}, log()}};
        const auto ending = child.wait(kRunMax);
        return ending ? ending->exit_code : -1;
    }
    std::filesystem::path log() const { return directory.path / "log"; }
    std::string printed() const { return contents_of(log()); }
    std::string json() const { return contents_of(directory.path / "report.json"); }

    struct Folder {
        Folder() {
            std::string pattern = std::filesystem::temp_directory_path() / "conformance-XXXXXX";
            path = ::mkdtemp(pattern.data());
        }
        ~Folder() { std::filesystem::remove_all(path); }
        Folder(const Folder&) = delete;
        Folder& operator=(const Folder&) = delete;
        std::filesystem::path path;
    } directory;
    TestBroker broker;
};

TEST_F(ConformanceTool, OurCabinetKeepsEveryClaimThatNeedsNobodyAtTheDevice) {
    sim::CabinetSettings settings;
    settings.link.port = broker.devices_port();
    settings.link.id = *topics::DeviceId::parse("kc-hall1");
    settings.link.secret = broker.add_device("kc-hall1");
    settings.state_dir = directory.path / "state";
    settings.keys = {{topics::Slot{1}, topics::KeyName{"101"}, topics::TagId{"04A2"}}};
    settings.device.resend_first = 100ms;
    settings.device.resend_max = 1200ms;
    settings.device.heartbeat_s = 5;
    settings.device.heartbeat = 5s;
    const sim::CabinetClient cabinet{settings};

    EXPECT_EQ(examine("kc-hall1"), 0) << printed();
    EXPECT_THAT(printed(), AllOf(HasSubstr("0 failed, 1 skipped"), Not(HasSubstr("FAIL"))));
    EXPECT_THAT(json(), AllOf(HasSubstr(R"("device":"kc-hall1")"), HasSubstr(R"("failed":0)"),
                              HasSubstr(R"("claim":"request.late_answer","verdict":"SKIP")")));
}

TEST_F(ConformanceTool, ABrokenDeviceIsToldWhatItDoesWrongAndExitsWithThree) {
    const Child device{{{KLYUCHNIK_SIM, "run-one", "--device", "kc-bench1", "--port",
                         std::to_string(broker.devices_port()), "--secret-file",
                         file("secret", broker.add_device("kc-bench1")), "--broken",
                         "will-of-another-connection", "--resend-ms", "100", "--resend-max-ms",
                         "1200", "--heartbeat-s", "5", "--visit-seconds", "3"},
                        {},
                        directory.path / "device.log"}};

    EXPECT_EQ(examine("kc-bench1", {"--only", "reconnect,requests"}), kFailed) << printed();
    EXPECT_THAT(printed(), AllOf(HasSubstr(" 1 failed"), HasSubstr("FAIL  will.cn"),
                                 HasSubstr("PASS  request.late_answer")));
    EXPECT_THAT(json(), HasSubstr(R"("claim":"will.cn","verdict":"FAIL")"));
}

TEST_F(ConformanceTool, RefusesAUserThatMayNotHearDevices) {
    auto words = tool("kc-bench1");
    words[7] = "sim-exam";
    words[9] = file("password", broker.service_password("sim-exam"));
    Child child{{words, {}, log()}};
    const auto ending = child.wait(kRunMax);
    ASSERT_TRUE(ending);
    EXPECT_EQ(ending->exit_code, 1);
    EXPECT_THAT(printed(), HasSubstr("the user must be a handlers-*"));
}

TEST_F(ConformanceTool, RefusesWhatItCanNotDo) {
    for (const std::vector<std::string>& words :
         {std::vector<std::string>{"conformance", "--device", "hall1"},
          {"conformance", "--device", "kc-hall1"},
          {"conformance", "--device", "kc-hall1", "--mqtt-user", "handlers-1", "--scale", "slow"},
          {"conformance", "--device", "kc-hall1", "--mqtt-user", "handlers-1", "--only", "all"},
          {"run-one", "--device", "kc-hall1", "--broken", "nonsense"}}) {
        auto all = words;
        all.insert(all.begin(), KLYUCHNIK_SIM);
        Child child{{all, {}, log()}};
        const auto ending = child.wait(kRunMax);
        ASSERT_TRUE(ending);
        EXPECT_EQ(ending->exit_code, kWrongOptions) << printed();
    }
}

}  // namespace
}  // namespace klyuchnik::test
