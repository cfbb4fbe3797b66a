#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "topics/result.hpp"

/// The example messages of topics/golden and the one rule by which they are read.
namespace klyuchnik::test {

/// The bytes of a file below topics/; fails the running test and answers "" if it can not be read.
std::string topics_file(const std::string& name);

/// Every topics/golden/*.json by its name without ".json", as the exact bytes of the wire.
const std::map<std::string, std::string>& golden();
std::string golden(const std::string& name);

/// One row of topics/golden/bad/expected.tsv.
struct BadExample {
    std::string name;
    std::string read_as;  ///< A decoder name as below.
    std::string payload;
    std::string expected;  ///< Malformed::text()
};
const std::vector<BadExample>& bad_examples();

/// Every decoder by name: state, facts, ack, heartbeat, request, answer, command, ask_answer, and
/// "ask:domain.name".
const std::vector<std::string>& decoder_names();

/// Decodes as `decoder` and encodes the struct again.
topics::Decoded<std::string> reencoded(const std::string& decoder, std::string_view payload);

/// The decoder a golden example is read with; empty for messages that are only written by us.
std::string decoder_of(const std::string& golden_name);

}  // namespace klyuchnik::test
