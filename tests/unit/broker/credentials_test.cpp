// Who is who: the table in memory, and the file beside it.
#include "broker/guard/credentials.h"

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <stdlib.h>

#include "broker/guard/control.h"
#include "broker/guard/devices_file.h"

namespace {

kl_credential secret(int number) {
    kl_credential made{KL_SECRET, {}};
    for (std::size_t i = 0; i < sizeof(int); ++i) {
        made.hash[KL_HASH_BYTES - 1 - i] = static_cast<std::uint8_t>(number >> (8 * i));
    }
    return made;
}

kl_credential certificate(int number) {
    kl_credential made = secret(number);
    made.kind = KL_CERTIFICATE;
    return made;
}

class Table : public testing::Test {
 protected:
    kl_set_result set(const std::string& name, const std::vector<kl_credential>& credentials) {
        return kl_credentials_set(table_.get(), name.c_str(), credentials.data(),
                                  credentials.size());
    }
    bool drop(const std::string& name) { return kl_credentials_drop(table_.get(), name.c_str()); }
    bool accepts(const std::string& name, const kl_credential& shown) {
        return kl_credentials_accept(table_.get(), name.c_str(), &shown, this);
    }
    bool knows(const std::string& name) {
        return kl_credentials_find(table_.get(), name.c_str()) != nullptr;
    }
    std::size_t count() const { return kl_credentials_count(table_.get()); }
    void begin(const std::string& token) { kl_credentials_begin(table_.get(), token.c_str()); }
    bool end(const std::string& token) {
        dropped_.clear();
        return kl_credentials_end(
            table_.get(), token.c_str(),
            [](const kl_device* dropped, void* self) {
                static_cast<Table*>(self)->dropped_.insert(dropped->name);
                EXPECT_FALSE(static_cast<Table*>(self)->knows(dropped->name));
            },
            this);
    }

    std::unique_ptr<kl_credentials, decltype(&kl_credentials_free)> table_{kl_credentials_new(),
                                                                           &kl_credentials_free};
    std::set<std::string> dropped_;
};

TEST_F(Table, AcceptsWhatWasSetAndNothingElse) {
    EXPECT_FALSE(accepts("kc-aaaa", secret(1))) << "nobody is known at first";
    EXPECT_EQ(set("kc-aaaa", {secret(1), certificate(2)}), KL_SET_CHANGED);
    EXPECT_TRUE(accepts("kc-aaaa", secret(1)));
    EXPECT_TRUE(accepts("kc-aaaa", certificate(2)));
    EXPECT_FALSE(accepts("kc-aaaa", secret(2))) << "a certificate's hash is no secret";
    EXPECT_FALSE(accepts("kc-aaaa", certificate(1)));
    EXPECT_FALSE(accepts("kc-aaaa", secret(3)));
    EXPECT_FALSE(accepts("kc-bbbb", secret(1)));
    EXPECT_FALSE(accepts("kc-aaaa", {})) << "not the empty places either";
    EXPECT_FALSE(accepts("kc-unknown", {}));
}

TEST_F(Table, SetReplacesAndForgetsTheOld) {
    set("kc-aaaa", {secret(1), secret(2)});
    EXPECT_EQ(set("kc-aaaa", {secret(3)}), KL_SET_CHANGED);
    EXPECT_FALSE(accepts("kc-aaaa", secret(1)));
    EXPECT_FALSE(accepts("kc-aaaa", secret(2)));
    EXPECT_TRUE(accepts("kc-aaaa", secret(3)));
    EXPECT_EQ(count(), 1U);
}

TEST_F(Table, TheSameInAnotherOrderIsNoChange) {
    set("kc-aaaa", {secret(1), certificate(2), secret(3)});
    EXPECT_EQ(set("kc-aaaa", {secret(3), secret(1), certificate(2)}), KL_SET_SAME);
    EXPECT_EQ(set("kc-aaaa", {secret(1), secret(1), secret(1)}), KL_SET_CHANGED);
    EXPECT_EQ(set("kc-aaaa", {secret(1), secret(1), secret(2)}), KL_SET_CHANGED);
    EXPECT_EQ(set("kc-aaaa", {secret(1), secret(2), secret(2)}), KL_SET_SAME) << "the same two";
}

TEST_F(Table, OnlyTheSessionOfARemovedCredentialIsCut) {
    set("kc-aaaa", {secret(1), secret(2)});
    EXPECT_TRUE(accepts("kc-aaaa", secret(2)));
    EXPECT_EQ(set("kc-aaaa", {secret(2), secret(3)}), KL_SET_CHANGED) << "its own stays";
    EXPECT_FALSE(accepts("kc-aaaa", secret(9))) << "who was refused has no session";
    EXPECT_EQ(set("kc-aaaa", {secret(3)}), KL_SET_CUT);
    EXPECT_EQ(set("kc-aaaa", {secret(4)}), KL_SET_CHANGED) << "it has been cut already";
    set("kc-bbbb", {secret(1)});
    EXPECT_EQ(set("kc-bbbb", {secret(2)}), KL_SET_CHANGED) << "nobody was connected";
}

TEST_F(Table, DropForgets) {
    set("kc-aaaa", {secret(1)});
    set("kc-bbbb", {secret(2)});
    EXPECT_TRUE(drop("kc-aaaa"));
    EXPECT_FALSE(drop("kc-aaaa"));
    EXPECT_FALSE(accepts("kc-aaaa", secret(1)));
    EXPECT_TRUE(accepts("kc-bbbb", secret(2)));
    EXPECT_EQ(count(), 1U);
}

TEST_F(Table, ASnapshotDropsWhatItDoesNotName) {
    set("kc-aaaa", {secret(1)});
    set("kc-bbbb", {secret(2)});
    begin("one");
    set("kc-bbbb", {secret(2)});
    set("kc-cccc", {secret(3)});
    EXPECT_TRUE(end("one"));
    EXPECT_EQ(dropped_, std::set<std::string>{"kc-aaaa"});
    EXPECT_EQ(count(), 2U);
}

TEST_F(Table, AnEndWithoutItsBeginDropsNothing) {
    set("kc-aaaa", {secret(1)});
    EXPECT_FALSE(end("one"));
    begin("one");
    EXPECT_FALSE(end("two"));
    set("kc-aaaa", {secret(1)});
    EXPECT_TRUE(end("one"));
    EXPECT_FALSE(end("one")) << "only once";
    EXPECT_TRUE(knows("kc-aaaa"));
}

TEST_F(Table, SnapshotsMayOverlap) {
    set("kc-aaaa", {secret(1)});
    begin("one");
    set("kc-bbbb", {secret(2)});
    begin("two");
    set("kc-cccc", {secret(3)});
    EXPECT_TRUE(end("one"));
    EXPECT_EQ(dropped_, std::set<std::string>{"kc-aaaa"});
    EXPECT_TRUE(end("two"));
    EXPECT_EQ(dropped_, std::set<std::string>{"kc-bbbb"});
}

TEST_F(Table, ASnapshotBegunAgainBeginsAnew) {
    begin("one");
    set("kc-aaaa", {secret(1)});
    begin("one");
    set("kc-bbbb", {secret(2)});
    EXPECT_TRUE(end("one"));
    EXPECT_EQ(dropped_, std::set<std::string>{"kc-aaaa"});
}

TEST_F(Table, OneSnapshotTooManyTakesThePlaceOfTheOldest) {
    for (int i = 0; i <= KL_SNAPSHOTS_MAX; ++i) begin("token-" + std::to_string(i));
    EXPECT_FALSE(end("token-0"));
    for (int i = 1; i <= KL_SNAPSHOTS_MAX; ++i) EXPECT_TRUE(end("token-" + std::to_string(i))) << i;
}

TEST_F(Table, EndsAtItsLimitAndSaysSo) {
    for (int i = 0; i < KL_DEVICES_MAX; ++i) {
        ASSERT_EQ(set("kc-d" + std::to_string(100'000 + i), {secret(i)}), KL_SET_CHANGED) << i;
    }
    EXPECT_EQ(set("kc-more", {secret(1)}), KL_SET_FULL);
    EXPECT_FALSE(knows("kc-more"));
    EXPECT_EQ(set("kc-d100000", {secret(1)}), KL_SET_CHANGED) << "who is known may change";
    EXPECT_TRUE(drop("kc-d100001"));
    EXPECT_EQ(set("kc-more", {secret(1)}), KL_SET_CHANGED);
    EXPECT_TRUE(accepts("kc-d159999", secret(59'999)));
    EXPECT_EQ(set("kc-aaaa", {}), KL_SET_FULL);
    EXPECT_EQ(set("kc-aaaa", std::vector(KL_CREDENTIALS_MAX + 1, secret(1))), KL_SET_FULL);
}

/// Beside a std::map, through growth, collisions and removals.
TEST_F(Table, DoesWhatAMapDoes) {
    std::mt19937 random{7};
    std::map<std::string, int> model;
    std::size_t text_bytes = 0;
    for (int step = 0; step < 200'000; ++step) {
        const std::string name = "kc-x" + std::to_string(1000 + random() % 3000);
        switch (random() % 4) {
            case 0:
            case 1: {
                const int number = static_cast<int>(random() % 5);
                set(name, {secret(number)});
                model[name] = number;
                break;
            }
            case 2:
                ASSERT_EQ(drop(name), model.erase(name) == 1);
                break;
            default: {
                const auto found = model.find(name);
                ASSERT_EQ(knows(name), found != model.end());
                if (found != model.end()) {
                    ASSERT_TRUE(accepts(name, secret(found->second)));
                }
                ASSERT_FALSE(accepts(name, secret(77)));
            }
        }
        ASSERT_EQ(count(), model.size());
    }
    for (const auto& [name, number] : model) {
        ASSERT_TRUE(accepts(name, secret(number)));
        text_bytes += kl_set_line_bytes(name.size(), 1);
    }
    EXPECT_EQ(kl_credentials_text_bytes(table_.get()), text_bytes);
}

// -- the file

class DevicesFile : public Table {
 protected:
    void SetUp() override {
        std::string pattern = testing::TempDir() + "klyuchnik-devices-XXXXXX";
        folder_ = ::mkdtemp(pattern.data());
        ASSERT_TRUE(kl_devices_file_init(&file_, path().c_str()));
    }
    void TearDown() override { std::filesystem::remove_all(folder_); }

    std::string path() const { return folder_ / "devices.list"; }
    std::string content() const {
        std::ifstream stream{path(), std::ios::binary};
        return {std::istreambuf_iterator<char>{stream}, {}};
    }
    void write(const std::string& text) const { std::ofstream{path(), std::ios::binary} << text; }
    kl_loaded load() {
        table_.reset(kl_credentials_new());
        EXPECT_TRUE(kl_devices_file_init(&file_, path().c_str()));
        return kl_devices_file_load(&file_, table_.get());
    }
    int record(const std::string& lines, bool whole = false) {
        return kl_devices_file_record(&file_, table_.get(), lines.data(), lines.size(), whole);
    }
    std::string line_of(const std::string& name) {
        std::string line(KL_LINE_MAX, '\0');
        line.resize(kl_format_set(line.data(), kl_credentials_find(table_.get(), name.c_str())));
        return line;
    }

    std::filesystem::path folder_;
    kl_devices_file file_{};
};

TEST_F(DevicesFile, ThatIsMissingIsAnEmptyTable) {
    const kl_loaded loaded = load();
    EXPECT_TRUE(loaded.was_missing);
    EXPECT_EQ(loaded.error, 0);
    EXPECT_EQ(count(), 0U);
}

TEST_F(DevicesFile, BringsBackWhatWasRecorded) {
    (void)load();
    set("kc-aaaa", {secret(1), certificate(2)});
    set("kc-bbbb", {secret(3)});
    EXPECT_EQ(record(line_of("kc-aaaa") + line_of("kc-bbbb")), 0);
    drop("kc-bbbb");
    EXPECT_EQ(record("drop kc-bbbb\n"), 0);
    const kl_loaded loaded = load();
    EXPECT_EQ(loaded.garbage, 0U);
    EXPECT_EQ(count(), 1U);
    EXPECT_TRUE(accepts("kc-aaaa", certificate(2)));
    EXPECT_FALSE(knows("kc-bbbb"));
    EXPECT_EQ(std::filesystem::status(path()).permissions(), std::filesystem::perms{0600});
}

TEST_F(DevicesFile, GarbageIsNotThereAndTakesItsDeviceOut) {
    set("kc-aaaa", {secret(1)});
    set("kc-bbbb", {secret(2)});
    set("kc-cccc", {secret(3)});
    const std::string good = line_of("kc-aaaa") + line_of("kc-bbbb") + line_of("kc-cccc");
    using std::string_literals::operator""s;
    for (const std::string& garbage :
         {"\n"s, "hello\n"s, "set kc-\n"s, "kick kc-aaaa\n"s, "\0\0\0\n"s,
          std::string(300'000, 'x') + "\n", "tell me\n"s}) {
        write(garbage + good + garbage);
        const kl_loaded loaded = load();
        EXPECT_EQ(loaded.garbage, 2U) << garbage.substr(0, 20);
        EXPECT_EQ(count(), 3U);
    }
    for (const std::string& garbage :
         {"set kc-bbbb s:12\n"s, "drop kc-bbbb \n"s, "set kc-bbbb\n"s, "set kc-bbbb s:\xFF\n"s}) {
        write(good + garbage);
        const kl_loaded loaded = load();
        EXPECT_EQ(loaded.garbage, 1U) << garbage;
        EXPECT_EQ(count(), 2U);
        EXPECT_FALSE(knows("kc-bbbb")) << garbage;
    }
}

TEST_F(DevicesFile, ALineThatWasCutOffCountsAsNotThere) {
    set("kc-aaaa", {secret(1)});
    const std::string line = line_of("kc-aaaa");
    for (std::size_t bytes = 1; bytes < line.size(); ++bytes) {
        write(line.substr(0, bytes));
        EXPECT_EQ(load().garbage, 1U);
        EXPECT_EQ(count(), 0U) << bytes;
    }
}

TEST_F(DevicesFile, AfterGarbageTheNextChangeWritesItAnew) {
    set("kc-aaaa", {secret(1)});
    write("garbage\n" + line_of("kc-aaaa"));
    EXPECT_EQ(load().garbage, 1U);
    set("kc-bbbb", {secret(2)});
    EXPECT_EQ(record(line_of("kc-bbbb")), 0);
    EXPECT_EQ(load().garbage, 0U);
    EXPECT_EQ(count(), 2U);
}

TEST_F(DevicesFile, ThatCanNotBeReadIsAnErrorAndAnEmptyTable) {
    std::filesystem::create_directory(path());
    kl_loaded loaded = load();
    EXPECT_NE(loaded.error, 0);
    EXPECT_FALSE(loaded.was_missing);
    EXPECT_EQ(count(), 0U);
    std::filesystem::remove(path());

    std::filesystem::create_symlink("/etc/passwd", path());
    loaded = load();
    EXPECT_NE(loaded.error, 0) << "a link is not followed";
    std::filesystem::remove(path());

    write("");
    std::filesystem::resize_file(path(), std::uintmax_t{KL_FILE_BYTES_MAX} + 1);
    loaded = load();
    EXPECT_NE(loaded.error, 0);
    EXPECT_EQ(count(), 0U);
}

TEST_F(DevicesFile, ASnapshotWritesItAnew) {
    (void)load();
    set("kc-aaaa", {secret(1)});
    EXPECT_EQ(record(line_of("kc-aaaa")), 0);
    EXPECT_EQ(record("drop kc-bbbb\ndrop kc-bbbb\n"), 0);
    EXPECT_EQ(record("", true), 0);
    EXPECT_EQ(content(), line_of("kc-aaaa"));
    EXPECT_FALSE(std::filesystem::exists(path() + ".new"));
}

TEST_F(DevicesFile, DoesNotGrowBeyondTwiceWhatIsNeeded) {
    (void)load();
    std::uintmax_t largest = 0;
    for (int i = 0; i < 10'000; ++i) {
        set("kc-aaaa", {secret(i)});
        ASSERT_EQ(record(line_of("kc-aaaa")), 0);
        largest = std::max(largest, std::filesystem::file_size(path()));
    }
    EXPECT_LE(largest, KL_FILE_SLACK_BYTES + 2 * line_of("kc-aaaa").size());
    EXPECT_GT(largest, KL_FILE_SLACK_BYTES / 2) << "it is not written anew each time either";
    (void)load();
    EXPECT_TRUE(accepts("kc-aaaa", secret(9999)));
}

TEST_F(DevicesFile, AFailureIsToldAndMendedByTheNextChange) {
    (void)load();
    set("kc-aaaa", {secret(1)});
    std::filesystem::create_directory(path());
    EXPECT_NE(record(line_of("kc-aaaa")), 0);
    std::filesystem::remove(path());
    EXPECT_EQ(record("drop kc-zzzz\n"), 0);
    EXPECT_EQ(content(), line_of("kc-aaaa")) << "the whole table, not only the change";
}

TEST_F(DevicesFile, HasALimitOnItsPath) {
    const std::string longest(KL_FILE_PATH_MAX, 'x');
    EXPECT_FALSE(kl_devices_file_init(&file_, longest.c_str()));
}

}  // namespace
