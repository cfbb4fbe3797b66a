#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

namespace klyuchnik::test {

/// A directory that goes with the test.
class Directory {
 public:
    Directory() {
        std::string pattern = (std::filesystem::temp_directory_path() / "sim-XXXXXX").string();
        if (::mkdtemp(pattern.data()) == nullptr) std::abort();
        path = pattern;
    }
    ~Directory() { std::filesystem::remove_all(path); }
    Directory(const Directory&) = delete;
    Directory& operator=(const Directory&) = delete;

    std::filesystem::path path;
};

}  // namespace klyuchnik::test
