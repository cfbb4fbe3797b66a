// A firmware goes out to a fleet: signed, uploaded, offered, pulled, started, and confirmed by a
// birth; and one that does not boot goes no further than the devices that had to find out.
#include <algorithm>
#include <fstream>
#include <memory>
#include <string>

#include <gtest/gtest.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "tests/support/world.hpp"
#include "topics/sha256.hpp"

namespace klyuchnik::test {
namespace {

/// An update takes two boots and a whole pull.
constexpr std::chrono::seconds kUpdate{40};

struct Freed {
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
    void operator()(BIO* bio) const { BIO_free(bio); }
};

class FirmwareRollouts : public ::testing::Test {
 protected:
    World world;
    std::unique_ptr<EVP_PKEY, Freed> signer{EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")};

    void SetUp() override {
        const std::string file = (world.logs() / "signer.pem").string();
        {
            const std::unique_ptr<BIO, Freed> out{BIO_new_file(file.c_str(), "w")};
            ASSERT_EQ(PEM_write_bio_PUBKEY(out.get(), signer.get()), 1);
        }
        output_of(
            {{KLYUCHNIK_HANDLERS, "trust-firmware-key", "--log-level", "warn", "--db",
              world.cluster().conninfo(world.database()), "--name", "release", "--key-file", file},
             world.cluster().owner_environment(),
             {}});
    }
    /// base64url without padding.
    std::string signature_of(const std::string& image) const {
        const topics::Sha256 hash = topics::sha256(image);
        std::string bytes(64, '\0');
        std::size_t size = bytes.size();
        const std::unique_ptr<EVP_MD_CTX, Freed> context{EVP_MD_CTX_new()};
        EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, signer.get());
        EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(bytes.data()), &size,
                       hash.data(), hash.size());
        std::string text(89, '\0');
        EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                        reinterpret_cast<const unsigned char*>(bytes.data()),
                        static_cast<int>(bytes.size()));
        text.resize(88);
        std::ranges::replace(text, '+', '-');
        std::ranges::replace(text, '/', '_');
        std::erase(text, '=');
        return text;
    }
    void upload(const std::string& version, char seed) {
        std::string image(20'000, seed);
        for (std::size_t i = 0; i < image.size(); i += 7) image[i] = static_cast<char>(i);
        const HttpAnswer added = world.send(
            "POST", "/v1/firmware?version=" + version + "&signature=" + signature_of(image), image,
            {}, "application/octet-stream");
        ASSERT_EQ(added.status, 201) << added.body;
        EXPECT_EQ(added.text("sha256"), topics::to_hex(topics::sha256(image)));
    }
    /// Its path.
    std::string start(const std::string& version, const std::string& more) {
        const HttpAnswer started = world.post("/v1/firmware/" + version + "/rollouts",
                                              R"({"devices":["kc-hall1","kc-hall2"])" + more + "}");
        EXPECT_EQ(started.status, 201) << started.body;
        return started.header("location");
    }
    bool ends_as(const std::string& path, const std::string& state) {
        return eventually([&] { return world.get(path).text("state") == state; }, kUpdate);
    }
    std::int64_t events(const std::string& type) {
        return world.count("select count(*) from log.events where type = '" + type + "'");
    }
};

TEST_F(FirmwareRollouts, AreConfirmedByBirthsAndStopAtTheFirstThatWentBack) {
    // What is wanted of a device comes with the answer to its heartbeat.
    const auto often = [](sim::CabinetSettings& settings) {
        settings.device.heartbeat = std::chrono::seconds{1};
    };
    const auto hall = world.cabinet("kc-hall1", {}, {}, often);
    const auto gate = world.cabinet("kc-hall2", {}, {}, often);
    ASSERT_TRUE(hall->wait_online(kPatience));
    ASSERT_TRUE(gate->wait_online(kPatience));

    upload("1.5.0", 'a');
    const std::string first = start("1.5.0", R"(,"per_minute":600)");
    EXPECT_TRUE(hall->wait_firmware("1.5.0", kUpdate));
    EXPECT_TRUE(gate->wait_firmware("1.5.0", kUpdate));
    EXPECT_TRUE(ends_as(first, "done")) << world.get(first).body;
    EXPECT_EQ(world.get(first).number("/devices/updated"), 2);
    EXPECT_EQ(events("firmware_updated"), 2);
    EXPECT_EQ(world.count("select count(*) from devices.presence where firmware = '1.5.0'"), 2);

    upload("1.6.0", 'b');
    hall->set_firmware_trouble(sim::FirmwareTrouble::does_not_boot);
    // One a minute: who comes second is spared.
    const std::string second = start("1.6.0", R"(,"per_minute":1)");
    EXPECT_TRUE(ends_as(second, "stopped")) << world.get(second).body;
    const HttpAnswer over = world.get(second);
    EXPECT_EQ(over.number("/devices/rolled_back"), 1) << over.body;
    EXPECT_EQ(over.number("/devices/skipped"), 1) << over.body;
    EXPECT_EQ(events("firmware_failed"), 1);
    EXPECT_EQ(events("firmware_failed_earlier"), 0);
    EXPECT_EQ(events("rollout_stopped"), 1);
    EXPECT_EQ(world.count("select count(*) from runtime.alarms where kind in "
                          "('firmware_rolled_back', 'rollout_stopped') and state = 'open'"),
              2);
    EXPECT_EQ(world.count("select count(*) from runtime.wanted where firmware = '1.6.0'"), 0);
    EXPECT_TRUE(hall->wait_online(kPatience));
    EXPECT_EQ(hall->firmware(), "1.5.0");
    EXPECT_EQ(gate->firmware(), "1.5.0");
}

}  // namespace
}  // namespace klyuchnik::test
