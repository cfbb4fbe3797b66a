// klyuchnik-test-cluster up|down: the PostgreSQL cluster that the tests of one build folder share.

#include <iostream>
#include <string_view>

#include "tests/support/cluster.hpp"

int main(int argc, char** argv) {
    const std::string_view verb = argc == 2 ? argv[1] : "";
    try {
        if (verb == "up") {
            klyuchnik::test::shared_cluster_up();
        } else if (verb == "down") {
            klyuchnik::test::shared_cluster_down();
        } else {
            std::cerr << "klyuchnik-test-cluster up|down\n";
            return 2;
        }
    } catch (const std::exception& error) {
        std::cerr << error.what() << '\n';
        return 1;
    }
    return 0;
}
