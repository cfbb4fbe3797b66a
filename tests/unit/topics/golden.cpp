#include "tests/unit/topics/golden.hpp"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

#include <gtest/gtest.h>

#include "topics/codec.hpp"

namespace klyuchnik::test {
namespace {

namespace fs = std::filesystem;
using topics::Decoded;

template <class T>
Decoded<std::string> written(const Decoded<T>& decoded) {
    if (!decoded) return decoded.error();
    return topics::encode(*decoded);
}

}  // namespace

std::string topics_file(const std::string& name) {
    std::ifstream file{fs::path{KLYUCHNIK_TOPICS_DIR} / name, std::ios::binary};
    EXPECT_TRUE(file) << "can not read topics/" << name;
    return {std::istreambuf_iterator<char>{file}, {}};
}

const std::map<std::string, std::string>& golden() {
    static const auto files = [] {
        std::map<std::string, std::string> read;
        for (const auto& entry :
             fs::directory_iterator{fs::path{KLYUCHNIK_TOPICS_DIR} / "golden"}) {
            if (entry.path().extension() != ".json") continue;
            read[entry.path().stem()] = topics_file("golden/" + entry.path().filename().string());
        }
        return read;
    }();
    return files;
}

std::string golden(const std::string& name) {
    const auto found = golden().find(name);
    EXPECT_NE(found, golden().end()) << "no topics/golden/" << name << ".json";
    return found == golden().end() ? std::string{} : found->second;
}

const std::vector<BadExample>& bad_examples() {
    static const auto rows = [] {
        std::vector<BadExample> read;
        std::istringstream table{topics_file("golden/bad/expected.tsv")};
        for (std::string line; std::getline(table, line);) {
            if (line.empty() || line.starts_with('#')) continue;
            const std::size_t first = line.find('\t');
            const std::size_t second = line.find('\t', first + 1);
            const std::string file = line.substr(0, first);
            read.push_back({file.substr(0, file.rfind('.')),
                            line.substr(first + 1, second - first - 1),
                            topics_file("golden/bad/" + file), line.substr(second + 1)});
        }
        return read;
    }();
    return rows;
}

const std::vector<std::string>& decoder_names() {
    static const std::vector<std::string> names{"state",
                                                "facts",
                                                "ack",
                                                "heartbeat",
                                                "request",
                                                "answer",
                                                "command",
                                                "ask:keys.issue_key",
                                                "ask:keys.set_rights",
                                                "ask:keys.add_key",
                                                "ask_answer"};
    return names;
}

Decoded<std::string> reencoded(const std::string& decoder, std::string_view payload) {
    if (decoder == "state") {
        const auto state = topics::decode_state(payload);
        if (!state) return state.error();
        return std::visit([](const auto& one) { return topics::encode(one); }, *state);
    }
    if (decoder == "facts") return written(topics::decode_facts(payload));
    if (decoder == "ack") return written(topics::decode_ack(payload));
    if (decoder == "heartbeat") return written(topics::decode_heartbeat(payload));
    if (decoder == "request") return written(topics::decode_request(payload));
    if (decoder == "answer") return written(topics::decode_request_answer(payload));
    if (decoder == "command") return written(topics::decode_command(payload));
    if (decoder == "chunks_wanted") return written(topics::decode_chunks_wanted(payload));
    if (decoder == "ask_answer") return written(topics::decode_ask_answer(payload));
    const std::string ask = decoder.substr(decoder.find(':') + 1);
    const std::size_t dot = ask.find('.');
    return written(topics::decode_ask(ask.substr(0, dot), ask.substr(dot + 1), payload));
}

std::string decoder_of(const std::string& golden_name) {
    const std::string first = golden_name.substr(0, golden_name.find('.'));
    if (first == "birth" || first == "will") return "state";
    if (first == "fact" || first == "facts") return "facts";
    if (first == "request" || first == "requests") return "request";
    // Said by programs that are not ours to write for, or in pieces: tested in their own places.
    if (first == "event" || first == "presence" || first == "guard") return "";
    if (first == "ask") return "ask:" + golden_name.substr(4);
    return first;
}

}  // namespace klyuchnik::test
