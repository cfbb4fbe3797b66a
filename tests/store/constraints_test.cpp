#include <vector>

#include "tests/store/store.hpp"

namespace klyuchnik::test {
namespace {

constexpr const char* kHash = "decode(repeat('ab', 32), 'hex')";

/// Invariants that hold whatever a handler believes.
class Constraints : public Store {
 protected:
    void done(const std::string& sql) {
        const auto answer = owner_.ask(sql);
        EXPECT_EQ(answer.state, "") << sql << ": " << answer.error;
    }
    /// Refused, by this very constraint.
    void refused(const std::string& constraint, const std::string& sql,
                 const std::vector<std::string>& parameters = {}) {
        const auto answer = owner_.ask(sql, parameters);
        EXPECT_EQ(answer.state.substr(0, 2), "23") << sql << ": " << answer.error;
        EXPECT_NE(answer.error.find("\"" + constraint + "\""), std::string::npos)
            << sql << ": " << answer.error;
    }
    void key(const std::string& name, const std::string& tag, const std::string& home) {
        done("insert into keys.keys (name, room, tag, cabinet, slot, created_at) values ('" + name +
             "', 'r', " + tag + ", " + home + ", now())");
    }
    static std::string loan(int id, const char* end) {
        return "insert into keys.loans (loan_id, key_id, person_id, opened_at, opened_by, issued, "
               "closed_at, closed_by, closed_why) values (" +
               std::to_string(id) + ", 1, " + std::to_string(id) + ", now(), 's', false, " + end +
               ")";
    }
    static std::string fact(int epoch, int sequence, int first_epoch, int first_sequence) {
        return "insert into runtime.facts values ('kc-hall1', " + std::to_string(epoch) + ", " +
               std::to_string(sequence) +
               ", 'key.taken', now(), 'device', now(), 1, 'applied', '{}', " +
               std::to_string(first_epoch) + ", " + std::to_string(first_sequence) + ")";
    }
    static constexpr const char* kOpen = "null, null, null";
    static constexpr const char* kClosed = "now(), 's', 'returned'";
};

TEST_F(Constraints, AKeyHasAtMostOneOpenLoan) {
    key("101", "null", "null, null");
    done(loan(1, kOpen));
    refused("loans_one_open", loan(2, kOpen));
    done("update keys.loans set closed_at = now(), closed_by = 's', closed_why = 'returned'");
    done(loan(3, kOpen));
    done(loan(4, kClosed));
    refused("loans_one_open",
            "update keys.loans set closed_at = null, closed_by = null, closed_why = null "
            "where loan_id = 1");
}

TEST_F(Constraints, ALoanIsClosedWholeAndForAKnownReason) {
    key("101", "null", "null, null");
    refused("loans_closed_whole", loan(1, "now(), null, null"));
    refused("loans_closed_whole", loan(1, "null, 's', null"));
    refused("loans_closed_whole", loan(1, "now(), 's', null"));
    refused("loans_closed_why_known", loan(1, "now(), 's', 'lost'"));
    refused("loans_key_id_fkey",
            "insert into keys.loans (loan_id, key_id, opened_at, opened_by, issued) values "
            "(1, 77, now(), 's', false)");
}

TEST_F(Constraints, ACardBelongsToOnePerson) {
    done("insert into accounts.people (full_name, created_at) values ('A', now()), ('B', now())");
    done("insert into accounts.identifiers values ('card', '04A1', 1, now())");
    refused("identifiers_belong_to_one_person",
            "insert into accounts.identifiers values ('card', '04A1', 2, now())");
    // Letter by letter: another case is another card.
    done("insert into accounts.identifiers values ('card', '04a1', 2, now())");
    refused("identifiers_person_id_fkey",
            "insert into accounts.identifiers values ('card', '04A2', 77, now())");
    refused("identifiers_kind_known",
            "insert into accounts.identifiers values ('face', '04A2', 1, now())");
    refused("identifiers_value_length",
            "insert into accounts.identifiers values ('card', '', 1, now())");
    refused("identifiers_value_length",
            "insert into accounts.identifiers values ('card', repeat('4', 51), 1, now())");
}

TEST_F(Constraints, ADeviceIdIsOneTopicLevelAndNothingMore) {
    const std::string insert =
        "insert into devices.devices (device_id, name, created_at) values ($1, 'n', now())";
    for (const char* good : {"kc-hall1", "sg-0000", "kc-abcdefghijklmnopqr"}) {
        EXPECT_EQ(owner_.ask(insert, {good}).state, "") << good;
    }
    for (const char* hostile : {"",
                                "kc-",
                                "kc-abc",
                                "kc-abcdefghijklmnopqrs",
                                "kc-hall/1",
                                "kc-hall+",
                                "kc-hall#",
                                "kc-+",
                                "kc-HALL1",
                                "KC-hall1",
                                "kc_hall1",
                                "xx-hall1",
                                "hall1",
                                " kc-hall1",
                                "kc-hall1 ",
                                "kc-hall1\n",
                                "\nkc-hall1",
                                "kc-hall1\nx",
                                "x\nkc-hall1",
                                "kc-hall1\r",
                                "kc-ha ll1",
                                "kc-häll1",
                                "kc-холл1",
                                "kc-hall1\t",
                                "kc-hal-1",
                                "kc-hall1;",
                                "kc-hall1'--",
                                "kc-hall.1",
                                "$SYS",
                                "kc-hall%1",
                                "kc-hall1\xE2\x80\x8B"}) {
        refused("devices_id_form", insert, {hostile});
    }
}

TEST_F(Constraints, ADevicesWordsAndNumbersHaveTheirRanges) {
    const auto device = [](const std::string& columns, const std::string& values) {
        return "insert into devices.devices (device_id, created_at, " + columns +
               ") values ('kc-hall1', now(), " + values + ")";
    };
    refused("devices_name_length", device("name", "''"));
    refused("devices_name_length", device("name", "repeat('n', 101)"));
    refused("devices_place_length", device("name, place", "'n', repeat('p', 201)"));
    refused("devices_generation_rises", device("name, generation", "'n', 0"));
    refused("devices_lease_range", device("name, lease_s", "'n', -1"));
    refused("devices_away_range", device("name, away_s", "'n', 0"));
    refused("devices_revoked_whole", device("name, active", "'n', false"));
    refused("devices_revoked_whole", device("name, revoked_at", "'n', now()"));
    done(device("name, place, active, revoked_at, revoked_why",
                "repeat('к', 100), repeat('к', 200), false, now(), 'lost'"));
}

TEST_F(Constraints, ADeviceHasFourLivingCredentialsAndOneClaimAtMost) {
    done(
        "insert into devices.devices (device_id, name, created_at) values ('kc-hall1', 'n', "
        "now())");
    const auto credential = [](int place, const std::string& hash, const std::string& more = "null",
                               const std::string& kind = "secret") {
        return "insert into devices.credentials (device_id, place, generation, kind, sha256, "
               "made_at, "
               "revoked_at, why) values ('kc-hall1', " +
               std::to_string(place) + ", 1, '" + kind + "', " + hash + ", now(), " + more +
               ", 'claimed')";
    };
    const auto hash = [](int number) { return "sha256('" + std::to_string(number) + "')"; };
    for (int place = 1; place <= 4; ++place) done(credential(place, hash(place)));
    refused("credentials_at_most_four", credential(5, hash(5)));
    refused("credentials_place_once", credential(4, hash(5)));
    refused("credentials_hash_once", credential(4, hash(1), "now()"));
    done("update devices.credentials set revoked_at = now() where place = 4");
    done(credential(4, hash(5)));
    refused("credentials_hash_is_a_hash", credential(1, "'secret'", "now()"));
    refused("credentials_kind_known", credential(1, hash(6), "now()", "password"));
    const auto claim = [](const std::string& code, const std::string& used,
                          const std::string& nonce) {
        return "insert into devices.claims (device_id, code_sha256, made_at, made_by, ends_at, "
               "used_at, nonce_sha256) values ('kc-hall1', " +
               code + ", now(), 'x', now(), " + used + ", " + nonce + ")";
    };
    refused("claims_code_is_a_hash", claim("'code'", "null", "null"));
    refused("claims_used_whole", claim(kHash, "now()", "null"));
    done(claim(kHash, "now()", kHash));
    refused("claims_pkey", claim(kHash, "null", "null"));
}

TEST_F(Constraints, AFactIsStoredOnceUnderItsNumberAndOnceUnderItsFirst) {
    done(fact(1, 1, 1, 1));
    refused("facts_once", fact(1, 1, 1, 2));
    // Renumbered after a new epoch, it is still the fact it was.
    refused("facts_once_ever", fact(2, 1, 1, 1));
    done(fact(2, 1, 1, 2));
    refused("facts_time_source_known",
            "update runtime.facts set time_source = 'guessed' where sequence = 1");
    refused("facts_outcome_known", "update runtime.facts set outcome = 'lost' where sequence = 1");
}

TEST_F(Constraints, AnAskIsAnsweredOnceForEachAccount) {
    const auto answer = [](const std::string& account, const std::string& digest) {
        return "insert into runtime.inbox values ('" + account + "', 'id-1', " + digest +
               ", '{}', now(), false)";
    };
    done(answer("account:1", "1"));
    refused("inbox_once", answer("account:1", "2"));
    done(answer("account:2", "1"));
}

TEST_F(Constraints, AKeysNameTagAndHomeAreItsOwn) {
    key("101", "'T1'", "'kc-hall1', 1");
    key("102", "null", "null, null");
    key("103", "null", "null, null");
    const auto add = [](const std::string& values) {
        return "insert into keys.keys (name, room, tag, cabinet, slot, created_at) values (" +
               values + ", now())";
    };
    refused("keys_name_unique", add("'101', 'r', null, null, null"));
    refused("keys_tag_unique", add("'104', 'r', 'T1', null, null"));
    refused("keys_home_unique", add("'104', 'r', null, 'kc-hall1', 1"));
    refused("keys_home_whole", add("'104', 'r', null, 'kc-hall1', null"));
    refused("keys_home_whole", add("'104', 'r', null, null, 1"));
    refused("keys_slot_range", add("'104', 'r', null, 'kc-hall1', 0"));
    refused("keys_slot_range", add("'104', 'r', null, 'kc-hall1', 513"));
    refused("keys_name_length", add("'', 'r', null, null, null"));
    done(add("'104', 'r', null, 'kc-hall1', 512"));
    done(add("'105', 'r', null, 'kc-hall2', 1"));
}

TEST_F(Constraints, ARightIsGivenOnceForAKeyThatExists) {
    key("101", "null", "null, null");
    done("insert into keys.rights values (1, 1, now(), 'x')");
    refused("rights_once", "insert into keys.rights values (1, 1, now(), 'y')");
    refused("rights_key_id_fkey", "insert into keys.rights values (1, 77, now(), 'x')");
}

TEST_F(Constraints, AnAccountHasAnArgon2idHashAndALoginOfItsOwn) {
    const auto account = [](const std::string& login, const std::string& hash,
                            const std::string& role) {
        return "insert into accounts.accounts (login, password_hash, role, created_at) values "
               "('" +
               login + "', '" + hash + "', '" + role + "', now())";
    };
    // The template has one administrator, "admin".
    refused("accounts_login_unique", account("admin", "$argon2id$x", "admin"));
    refused("accounts_password_is_argon2id", account("other", "secret", "admin"));
    refused("accounts_role_known", account("other", "$argon2id$x", "god"));
    refused("accounts_login_length", account("", "$argon2id$x", "admin"));
    refused("sessions_token_is_a_hash",
            "insert into accounts.sessions values ('token', 1, now(), now())");
}

TEST_F(Constraints, AnEventHasOnePlaceAndAPlaceOneEvent) {
    done("insert into log.positions values (1, 1, now(), '9')");
    refused("positions_pkey", "insert into log.positions values (1, 2, now(), '9')");
    refused("positions_event_once", "insert into log.positions values (2, 1, now(), '9')");
}

TEST_F(Constraints, CursorsGapsAndPresenceSayWhatCanBe) {
    done("insert into runtime.cursors (device_id) values ('kc-hall1')");
    refused("cursors_never_negative", "update runtime.cursors set acked = -1");
    refused("cursors_never_negative", "update runtime.cursors set epoch = -1");
    refused("device_gaps_are_ranges",
            "insert into runtime.device_gaps values ('kc-hall1', 1, 5, 4, 'w', now())");
    refused("conflicts_why_known",
            "insert into keys.conflicts (device_id, epoch, sequence, why, occurred_at, noticed_at) "
            "values ('kc-hall1', 1, 1, 'because', now(), now())");
    refused("presence_device_id_fkey",
            "insert into devices.presence values ('kc-hall1', 1, 'online', now(), '1', 30)");
    done(
        "insert into devices.devices (device_id, name, created_at) values ('kc-hall1', 'n', "
        "now())");
    refused("fleet_is_one_row", "insert into devices.fleet values (false, 1, now())");
    refused("presence_state_known",
            "insert into devices.presence values ('kc-hall1', 1, 'asleep', now(), '1', 30)");
}

}  // namespace
}  // namespace klyuchnik::test
