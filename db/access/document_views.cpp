#include "db/access/document_views.hpp"

#include "db/access/internal.hpp"

namespace klyuchnik::db {

using namespace topics;

namespace {

DocumentRow document_of(const pqxx::row& row) {
    return {row[0].as<std::string>(), view_of(row[1]) == "up" ? Direction::up : Direction::down,
            row[2].as<std::string>(), Version{row[3].as<std::int64_t>()},
            row[4].as<std::string>(), row[5].as<std::int64_t>(),
            instant_of(row[6])};
}

}  // namespace

std::string_view name_of(Direction direction) {
    return direction == Direction::up ? "up" : "down";
}

std::vector<DocumentRow> documents(Tx& tx, const DeviceId& device) {
    std::vector<DocumentRow> found;
    for (const auto& row : run(tx, sql::api_documents, device)) found.push_back(document_of(row));
    return found;
}

std::optional<DocumentRow> document(Tx& tx, const DeviceId& device, Direction direction,
                                    const std::string& name, Version version) {
    const auto rows =
        run(tx, sql::api_document, device, std::string{name_of(direction)}, name, version);
    if (rows.empty()) return std::nullopt;
    return document_of(rows[0]);
}

std::string document_piece(Tx& tx, const DocumentRow& document, std::int64_t offset,
                           std::int64_t bytes_max) {
    const auto rows =
        run(tx, sql::api_document_piece, document.device, std::string{name_of(document.direction)},
            document.name, document.version, offset, bytes_max);
    if (rows.empty()) return {};
    return pqxx::binarystring{rows[0][0]}.str();
}

std::vector<UploadRow> uploads(Tx& tx, const DeviceId& device) {
    std::vector<UploadRow> found;
    for (const auto& row : run(tx, sql::api_uploads, device)) {
        UploadRow one;
        one.name = row[0].as<std::string>();
        one.sha256 = row[1].as<std::string>();
        one.bytes = row[2].as<std::int64_t>();
        one.state = row[3].as<std::string>();
        if (!row[4].is_null()) one.total = row[4].as<std::int64_t>();
        one.have = row[5].as<std::int64_t>();
        one.failures = row[6].as<std::int64_t>();
        one.changed = instant_of(row[7]);
        found.push_back(std::move(one));
    }
    return found;
}

std::optional<CabinetRightsRow> cabinet_rights(Tx& tx, const DeviceId& cabinet) {
    const auto rows = run(tx, sql::api_cabinet_rights, cabinet);
    if (rows.empty()) return std::nullopt;
    return CabinetRightsRow{Version{rows[0][0].as<std::int64_t>()}, rows[0][1].as<std::int64_t>(),
                            rows[0][2].as<bool>(), optional_instant_of(rows[0][3])};
}

}  // namespace klyuchnik::db
