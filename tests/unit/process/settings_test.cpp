#include "process/settings.hpp"

#include <cstdlib>
#include <fstream>
#include <stdexcept>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "process/log.hpp"
#include "process/mqtt_session.hpp"

namespace klyuchnik::process {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class SettingsTest : public testing::Test {
 protected:
    SettingsTest() {
        std::string pattern = testing::TempDir() + "klyuchnik-settings-XXXXXX";
        directory_ = ::mkdtemp(pattern.data());
        declare();
    }
    ~SettingsTest() override {
        for (const std::string& name : environment_) ::unsetenv(name.c_str());
        for (const std::string& path : files_) ::unlink(path.c_str());
        ::rmdir(directory_.c_str());
    }

    void declare() {
        settings_.text("host", host_, "Address");
        settings_.number("port", port_, 1, 65535, "TCP port");
        settings_.flag("log-json", json_, "Lines of JSON");
        settings_.list("domains", domains_, "Domains");
        settings_.secret_file("db-password-file", password_, "Password");
        Settings& migrate = settings_.subcommand("migrate", "Brings the schema up to date");
        migrate.text("target", target_, "Last migration");
    }

    void set_environment(const std::string& name, const std::string& value) {
        ::setenv(name.c_str(), value.c_str(), 1);
        environment_.push_back(name);
    }

    std::string file(const std::string& name, const std::string& content, mode_t mode = 0600) {
        const std::string path = directory_ + "/" + name;
        std::ofstream{path} << content;
        ::chmod(path.c_str(), mode);
        files_.push_back(path);
        return path;
    }

    std::optional<int> parse(std::vector<std::string> arguments) {
        arguments.insert(arguments.begin(), "klyuchnik-test");
        std::vector<char*> argv;
        for (std::string& argument : arguments) argv.push_back(argument.data());
        argv.push_back(nullptr);
        testing::internal::CaptureStdout();
        testing::internal::CaptureStderr();
        const auto exit_code = settings_.parse(static_cast<int>(arguments.size()), argv.data());
        out_ = testing::internal::GetCapturedStdout();
        error_ = testing::internal::GetCapturedStderr();
        return exit_code;
    }

    std::string directory_;
    std::vector<std::string> environment_;
    std::vector<std::string> files_;
    std::string out_;
    std::string error_;

    Settings settings_{"klyuchnik-test", "A test"};
    std::string host_ = "127.0.0.1";
    std::int64_t port_ = 1884;
    bool json_ = false;
    std::vector<std::string> domains_{"keys"};
    std::string password_;
    std::string target_ = "latest";
};

TEST_F(SettingsTest, DefaultsStay) {
    EXPECT_EQ(parse({}), std::nullopt);
    EXPECT_EQ(host_, "127.0.0.1");
    EXPECT_THAT(settings_.describe(), HasSubstr("port=1884 (default)\n"));
    EXPECT_EQ(settings_.chosen(), "");
}

TEST_F(SettingsTest, FlagBeatsEnvironmentBeatsFileBeatsDefault) {
    const std::string config =
        file("c.toml", "host = \"file\"\nport = 1000\nlog-json = true\ndomains = [\"a\"]\n");
    set_environment("KLYUCHNIK_PORT", "2000");
    set_environment("KLYUCHNIK_DOMAINS", "b, c");
    EXPECT_EQ(parse({"--config", config, "--domains=d"}), std::nullopt) << error_;
    EXPECT_EQ(host_, "file");
    EXPECT_EQ(port_, 2000);
    EXPECT_TRUE(json_);
    EXPECT_THAT(domains_, ElementsAre("d"));
    const std::string described = settings_.describe();
    EXPECT_THAT(described, HasSubstr("host=file (file)\n"));
    EXPECT_THAT(described, HasSubstr("port=2000 (environment)\n"));
    EXPECT_THAT(described, HasSubstr("domains=d (flag)\n"));
}

TEST_F(SettingsTest, EmptyEnvironmentVariablesCountAsNotSet) {
    set_environment("KLYUCHNIK_HOST", "");
    set_environment("KLYUCHNIK_PORT", "");
    EXPECT_EQ(parse({}), std::nullopt) << error_;
    EXPECT_EQ(host_, "127.0.0.1");
}

TEST_F(SettingsTest, TheFileMayBeNamedByTheEnvironment) {
    set_environment("KLYUCHNIK_CONFIG", file("c.toml", "port=1001"));
    EXPECT_EQ(parse({}), std::nullopt) << error_;
    EXPECT_EQ(port_, 1001);
}

TEST_F(SettingsTest, FileValuesMayHoldBlanksHashesAndCommas) {
    const std::string config =
        file("c.toml",
             "# comment\r\n; comment\n\nhost = \"host=/a b, #c \\\"x\\\"\" # why\n"
             "domains = [ \"keys\", 'scales' ]\n[migrate]\ntarget = 'C:\\x'\n");
    EXPECT_EQ(parse({"--config", config, "migrate"}), std::nullopt) << error_;
    EXPECT_EQ(host_, "host=/a b, #c \"x\"");
    EXPECT_THAT(domains_, ElementsAre("keys", "scales"));
    EXPECT_EQ(target_, "C:\\x");
}

TEST_F(SettingsTest, MistakesInTheFileNameFileAndLine) {
    const auto mistake = [this](const std::string& content) {
        const std::string path = file("bad.toml", content);
        EXPECT_EQ(parse({"--config", path}), 2) << content;
        EXPECT_THAT(error_, HasSubstr("bad.toml, line 2")) << content;
        return error_;
    };
    EXPECT_THAT(mistake("\nprot = 1\n"), HasSubstr("there is no setting prot"));
    EXPECT_THAT(mistake("[other]\nport = 1\n"), HasSubstr("there is no setting other.port"));
    EXPECT_THAT(mistake("\nport = x\n"), HasSubstr("not a whole number from 1 to 65535"));
    EXPECT_THAT(mistake("\nport\n"), HasSubstr("expected name = value"));
    EXPECT_THAT(mistake("\nhost = \"x\n"), HasSubstr("closing quote"));
    EXPECT_THAT(mistake("\nhost = \"x\" y\n"), HasSubstr("behind the value"));
    EXPECT_THAT(mistake("\ndomains = [\"x\"\n"), HasSubstr("] of the array"));
    EXPECT_THAT(mistake("\n[migrate\n"), HasSubstr("] is missing"));
    EXPECT_EQ(parse({"--config", directory_ + "/absent"}), 2);
    EXPECT_THAT(error_, HasSubstr("No such file"));
}

TEST_F(SettingsTest, WrongValuesNameTheirSourceAndChangeNothing) {
    EXPECT_EQ(parse({"--host", "changed", "--port", "65536"}), 2);
    EXPECT_THAT(error_, HasSubstr("--port: \"65536\" is not a whole number from 1 to 65535"));
    EXPECT_THAT(error_, HasSubstr("--help"));
    EXPECT_EQ(host_, "127.0.0.1");
    for (const std::string wrong : {"", "abc", "1.5", "99999999999999999999", "0", "-1", "1 2"})
        EXPECT_EQ(parse({"--port=" + wrong}), 2) << wrong;
    set_environment("KLYUCHNIK_LOG_JSON", "maybe");
    EXPECT_EQ(parse({}), 2);
    EXPECT_THAT(error_, HasSubstr("KLYUCHNIK_LOG_JSON: \"maybe\" is neither true nor false"));
    EXPECT_EQ(parse({"--log-json=false", "--domains=a,,b"}), 2);
    EXPECT_THAT(error_, HasSubstr("empty"));
    EXPECT_EQ(parse({"--no-such\x1b"}), 2);
    EXPECT_THAT(error_, HasSubstr("\\x1b"));
}

TEST_F(SettingsTest, AFlagCanBeTurnedOffOnTheCommandLine) {
    set_environment("KLYUCHNIK_LOG_JSON", "yes");
    EXPECT_EQ(parse({}), std::nullopt);
    EXPECT_TRUE(json_);
    EXPECT_EQ(parse({"--log-json=false"}), std::nullopt) << error_;
    EXPECT_FALSE(json_);
    EXPECT_EQ(parse({"--log-json"}), std::nullopt) << error_;
    EXPECT_TRUE(json_);
}

TEST_F(SettingsTest, SubcommandsHaveTheirOwnOptionsAndAcceptTheProgramsOnes) {
    EXPECT_EQ(parse({"migrate", "--target", "7", "--port", "5"}), std::nullopt) << error_;
    EXPECT_EQ(settings_.chosen(), "migrate");
    EXPECT_EQ(target_, "7");
    EXPECT_EQ(port_, 5);
    EXPECT_THAT(settings_.describe(), HasSubstr("migrate.target=7 (flag)\n"));
    EXPECT_EQ(parse({"unknown"}), 2);
}

TEST_F(SettingsTest, HelpAndVersionPrintAndLeaveWithZero) {
    EXPECT_EQ(parse({"--help"}), 0);
    EXPECT_THAT(out_, HasSubstr("--host"));
    EXPECT_THAT(out_, HasSubstr("127.0.0.1"));
    EXPECT_THAT(out_, HasSubstr("Lines of JSON"));
    EXPECT_THAT(out_, HasSubstr("migrate"));
    EXPECT_EQ(parse({"--version"}), 0);
    EXPECT_THAT(out_, HasSubstr("klyuchnik-test 0."));
}

TEST_F(SettingsTest, ASecretComesFromAFileWithoutItsNewline) {
    EXPECT_EQ(parse({"--db-password-file", file("secret", "s3cret\n")}), std::nullopt) << error_;
    EXPECT_EQ(password_, "s3cret");
    EXPECT_EQ(parse({"--db-password-file", file("secret", "two\n\n", 0640)}), std::nullopt)
        << error_;
    EXPECT_EQ(password_, "two\n");
}

TEST_F(SettingsTest, ASecretMayComeFromTheEnvironment) {
    set_environment("KLYUCHNIK_DB_PASSWORD", "from-env");
    EXPECT_EQ(parse({}), std::nullopt) << error_;
    EXPECT_EQ(password_, "from-env");
    set_environment("KLYUCHNIK_DB_PASSWORD_FILE", file("secret", "from-file"));
    EXPECT_EQ(parse({}), std::nullopt) << error_;
    EXPECT_EQ(password_, "from-file");
}

TEST_F(SettingsTest, ASecretIsNeverPrinted) {
    EXPECT_THAT(settings_.describe(), HasSubstr("db-password-file=(not set)"));
    set_environment("KLYUCHNIK_DB_PASSWORD", "s3cret");
    EXPECT_EQ(parse({"--host", "postgresql://user:hush@db:5432/x?a=b@c"}), std::nullopt) << error_;
    const std::string described = settings_.describe();
    EXPECT_THAT(described, HasSubstr("db-password-file=(set) (environment)"));
    EXPECT_THAT(described, Not(HasSubstr("s3cret")));
    EXPECT_THAT(described, HasSubstr("host=postgresql://user:***@db:5432/x"));
    EXPECT_EQ(parse({"--host", "host=/run user=x password='hu\\'sh' dbname=y"}), std::nullopt);
    EXPECT_THAT(settings_.describe(), HasSubstr("host=host=/run user=x password=*** dbname=y"));
    EXPECT_EQ(parse({"--host", "password=hush"}), std::nullopt);
    EXPECT_THAT(settings_.describe(), HasSubstr("host=password=*** "));
    EXPECT_EQ(parse({"--help"}), 0);
    EXPECT_THAT(out_, Not(HasSubstr("hush")));
}

TEST_F(SettingsTest, UnsafeSecretFilesAreRefusedWithWhatToDo) {
    const auto refused = [this](const std::string& path) {
        EXPECT_EQ(parse({"--db-password-file", path}), 2) << path;
        EXPECT_THAT(password_, IsEmpty());
        EXPECT_THAT(error_, Not(HasSubstr("s3cret")));
        return error_;
    };
    EXPECT_THAT(refused(file("open", "s3cret", 0644)), HasSubstr("chmod o-rwx"));
    EXPECT_THAT(refused(file("empty", "\n")), HasSubstr("is empty"));
    EXPECT_THAT(refused(file("long", std::string(5000, 'x'))), HasSubstr("over 4096 bytes"));
    EXPECT_THAT(refused(file("nul", std::string("a\0b", 3))), HasSubstr("NUL"));
    EXPECT_THAT(refused(directory_), HasSubstr("not a regular file"));
    EXPECT_THAT(refused(directory_ + "/absent"), HasSubstr("No such file"));
    const std::string fifo = directory_ + "/fifo";
    ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
    files_.push_back(fifo);
    EXPECT_THAT(refused(fifo), HasSubstr("not a regular file"));
}

TEST_F(SettingsTest, MistakesOfTheProgrammerAreFaults) {
    EXPECT_THROW(settings_.text("host", host_, "again"), std::logic_error);
    EXPECT_THROW(settings_.text("Host", host_, "capital"), std::logic_error);
    EXPECT_THROW(settings_.text("config", host_, "taken"), std::logic_error);
    EXPECT_THROW(settings_.secret_file("password", password_, "no -file"), std::logic_error);
}

TEST_F(SettingsTest, LogAndMqttOptionsHaveOneNameInAllPrograms) {
    LogSettings log;
    MqttSettings mqtt;
    Settings settings{"klyuchnik-test", "A test"};
    log_options(settings, log);
    mqtt_options(settings, mqtt);
    std::string arguments[] = {"x", "--log-level=debug", "--mqtt-host=::1", "--mqtt-port=1",
                               "--mqtt-user=u"};
    char* argv[] = {arguments[0].data(), arguments[1].data(), arguments[2].data(),
                    arguments[3].data(), arguments[4].data(), nullptr};
    EXPECT_EQ(settings.parse(5, argv), std::nullopt);
    EXPECT_EQ(log.level, "debug");
    EXPECT_EQ(mqtt.host, "::1");
    EXPECT_EQ(mqtt.port, 1);
    EXPECT_EQ(mqtt.user, "u");
    EXPECT_EQ(mqtt.client_id, "");
}

}  // namespace
}  // namespace klyuchnik::process
