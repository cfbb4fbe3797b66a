#include "db/access/documents_store.hpp"

#include <algorithm>
#include <array>

#include "db/access/internal.hpp"
#include "topics/limits.hpp"

namespace klyuchnik::db {

using namespace topics;

namespace {

constexpr std::array<std::string_view, 3> kUploadStates{"open", "done", "failed"};

UploadState upload_state(std::string_view name) {
    const auto found = std::ranges::find(kUploadStates, name);
    if (found == kUploadStates.end()) {
        throw Fault{"upload state " + std::string{name}, Fault::Retry::never};
    }
    return static_cast<UploadState>(found - kUploadStates.begin());
}

DeviceId device_of(const pqxx::field& field) {
    const auto device = DeviceId::parse(view_of(field));
    if (!device) throw Fault{"a stored device id is not one", Fault::Retry::never};
    return *device;
}

/// As PostgreSQL reads bytea from text.
std::string bytea(std::string_view bytes) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string text;
    text.reserve(2 + bytes.size() * 2);
    text += "\\x";
    for (const char c : bytes) {
        const auto byte = static_cast<unsigned char>(c);
        text += kDigits[byte >> 4U];
        text += kDigits[byte & 0xFU];
    }
    return text;
}
/// The same of what is hexadecimal already.
std::string bytea_of_hex(const std::string& hex) {
    return "\\x" + hex;
}

Upload upload_of(const pqxx::row& row) {
    Upload upload;
    upload.device = device_of(row[0]);
    upload.name = row[1].as<std::string>();
    upload.sha256 = row[2].as<std::string>();
    upload.bytes = row[3].as<std::int64_t>();
    upload.state = upload_state(view_of(row[4]));
    upload.total = row[5].is_null() ? 0 : row[5].as<std::int64_t>();
    upload.chunk_bytes = row[6].is_null() ? 0 : row[6].as<std::int64_t>();
    upload.have = row[7].as<std::int64_t>();
    upload.asked_last = row[8].as<std::int64_t>();
    upload.ask_after = instant_of(row[9]);
    upload.asks = row[10].as<std::int64_t>();
    upload.failures = row[11].as<std::int64_t>();
    upload.day = row[12].as<std::int64_t>();
    upload.day_bytes = row[13].as<std::int64_t>();
    return upload;
}

Version insert_document(Tx& tx, const DeviceId& device, std::string_view direction,
                        std::string_view name, std::optional<Version> version,
                        const std::string& sha256, Instant now) {
    const auto rows = run(tx, sql::runtime_add_document, device, std::string{direction},
                          std::string{name}, version, sha256, now);
    if (rows.empty()) throw Fault{"no blob " + sha256, Fault::Retry::one_by_one};
    return Version{rows[0][0].as<std::int64_t>()};
}

struct GoneVersion {
    std::string sha256;
    Instant made;
};
std::vector<GoneVersion> drop_old_versions(Tx& tx, const DeviceId& device,
                                           std::string_view direction, std::string_view name,
                                           Version version) {
    std::vector<GoneVersion> gone;
    for (const auto& row : run(tx, sql::runtime_drop_old_versions, device, std::string{direction},
                               std::string{name}, version)) {
        gone.push_back({row[0].as<std::string>(), instant_of(row[1])});
    }
    return gone;
}

/// Their content, unless something refers to it or somebody has used it since.
void drop_content(Tx& tx, const std::vector<GoneVersion>& gone) {
    if (gone.empty()) return;
    run(tx, sql::runtime_drop_blobs,
        column(gone, [](const GoneVersion& g) { return bytea_of_hex(g.sha256); }),
        column(gone, [](const GoneVersion& g) { return g.made; }));
}

}  // namespace

std::string_view name_of(UploadState state) {
    return kUploadStates.at(static_cast<std::size_t>(state));
}

void add_blob(Tx& tx, const std::string& sha256, std::string_view content, Instant now) {
    run(tx, sql::runtime_add_blob, sha256, bytea(content), now);
}

std::vector<std::string> use_blobs(Tx& tx, std::span<const std::string> sha256s, Instant now) {
    std::vector<std::string> here;
    if (sha256s.empty()) return here;
    for (const auto& row : run(tx, sql::runtime_use_blobs, column(sha256s, bytea_of_hex), now)) {
        here.push_back(row[0].as<std::string>());
    }
    return here;
}

BlobParts add_blob_part(Tx& tx, const BlobPart& part, Instant now) {
    const auto row =
        run(tx, sql::runtime_count_blob_parts, part.sha256, part.bytes, part.total, part.index)[0];
    BlobParts parts{row[0].as<std::int64_t>(), row[1].as<bool>()};
    if (!parts.consistent || row[2].as<bool>()) return parts;
    run(tx, sql::runtime_add_blob_part, part.sha256, part.index, part.bytes, part.total,
        bytea(part.content), now);
    ++parts.here;
    return parts;
}

bool join_blob_parts(Tx& tx, const std::string& sha256, Instant now) {
    const bool right = !run(tx, sql::runtime_join_blob_parts, sha256, now).empty();
    run(tx, sql::runtime_drop_blob_parts, sha256);
    return right;
}

Version add_document(Tx& tx, const DeviceId& device, std::string_view name,
                     const std::string& sha256, Instant now) {
    const Version version = insert_document(tx, device, "down", name, std::nullopt, sha256, now);
    drop_old_versions(tx, device, "down", name, version);
    return version;
}

void add_numbered_document(Tx& tx, const DeviceId& device, std::string_view name, Version version,
                           const std::string& sha256, bool drop, Instant now) {
    insert_document(tx, device, "down", name, version, sha256, now);
    const auto gone = drop_old_versions(tx, device, "down", name, version);
    if (drop) drop_content(tx, gone);
}

Version add_received_document(Tx& tx, const DeviceId& device, std::string_view name,
                              const std::string& sha256, Instant now) {
    const Version version = insert_document(tx, device, "up", name, std::nullopt, sha256, now);
    drop_content(tx, drop_old_versions(tx, device, "up", name, version));
    return version;
}

std::vector<ReceivedContent> received_content(Tx& tx, std::span<const ReceivedContent> wanted) {
    std::vector<ReceivedContent> here;
    if (wanted.empty()) return here;
    for (const auto& row :
         run(tx, sql::runtime_received_content,
             column(wanted, [](const ReceivedContent& w) { return w.device; }),
             column(wanted, [](const ReceivedContent& w) { return bytea_of_hex(w.sha256); }),
             column(wanted, [](const ReceivedContent& w) { return w.bytes; }))) {
        here.push_back({device_of(row[0]), row[1].as<std::string>(), row[2].as<std::int64_t>()});
    }
    return here;
}

void want_rights(Tx& tx, const DeviceId& device, Version version) {
    run(tx, sql::runtime_want_rights, device, version);
}

void want_firmware(Tx& tx, const DeviceId& device, const std::optional<std::string>& version) {
    run(tx, sql::runtime_want_firmware, device, version);
}

std::vector<FoundDocument> find_documents(Tx& tx, std::span<const WantedDocument> wanted) {
    std::vector<FoundDocument> found;
    if (wanted.empty()) return found;
    using Row = WantedDocument;
    const auto rows =
        run(tx, sql::runtime_find_documents, column(wanted, [](const Row& w) { return w.device; }),
            column(wanted, [](const Row& w) { return std::string_view{w.name}; }),
            column(wanted, [](const Row& w) { return w.version; }),
            column(wanted, [](const Row& w) { return w.index; }),
            static_cast<std::int64_t>(limits::kChunkAroundBytes),
            static_cast<std::int64_t>(limits::kChunkBytesMax));
    for (const auto& row : rows) {
        FoundDocument one;
        one.number = row[0].as<std::size_t>() - 1;
        one.version.value = row[1].as<std::int64_t>();
        one.sha256 = row[2].as<std::string>();
        one.bytes = row[3].as<std::int64_t>();
        one.packet_bytes_max = row[4].as<std::int64_t>();
        if (!row[5].is_null()) one.chunk = pqxx::binarystring{row[5]}.str();
        found.push_back(std::move(one));
    }
    return found;
}

std::vector<Upload> lock_uploads(Tx& tx, std::span<const DeviceId> devices) {
    std::vector<Upload> uploads;
    if (devices.empty()) return uploads;
    for (const auto& row : run(tx, sql::runtime_lock_uploads, array_of(devices))) {
        uploads.push_back(upload_of(row));
    }
    return uploads;
}

void save_uploads(Tx& tx, std::span<const Upload> uploads, Instant now) {
    if (uploads.empty()) return;
    run(tx, sql::runtime_save_uploads, column(uploads, [](const Upload& u) { return u.device; }),
        column(uploads, [](const Upload& u) { return std::string_view{u.name}; }),
        column(uploads, [](const Upload& u) { return bytea_of_hex(u.sha256); }),
        column(uploads, [](const Upload& u) { return u.bytes; }),
        column(uploads, [](const Upload& u) { return name_of(u.state); }),
        column(uploads, [](const Upload& u) { return u.total; }),
        column(uploads, [](const Upload& u) { return u.chunk_bytes; }),
        column(uploads, [](const Upload& u) { return u.have; }),
        column(uploads, [](const Upload& u) { return u.asked_last; }),
        column(uploads, [](const Upload& u) { return u.ask_after; }),
        column(uploads, [](const Upload& u) { return u.asks; }),
        column(uploads, [](const Upload& u) { return u.failures; }), now,
        column(uploads, [](const Upload& u) { return u.day; }),
        column(uploads, [](const Upload& u) { return u.day_bytes; }));
}

void add_upload_chunks(Tx& tx, std::span<const UploadChunk> chunks) {
    if (chunks.empty()) return;
    run(tx, sql::runtime_add_upload_chunks,
        column(chunks, [](const UploadChunk& c) { return c.of.device; }),
        column(chunks, [](const UploadChunk& c) { return std::string_view{c.of.name}; }),
        column(chunks, [](const UploadChunk& c) { return c.index; }),
        column(chunks, [](const UploadChunk& c) { return bytea(c.content); }));
}

std::vector<ChunkHere> chunks_here(Tx& tx, std::span<const UploadPlace> places) {
    std::vector<ChunkHere> here;
    if (places.empty()) return here;
    for (const auto& row :
         run(tx, sql::runtime_chunks_here,
             column(places, [](const UploadPlace& p) { return p.of.device; }),
             column(places, [](const UploadPlace& p) { return std::string_view{p.of.name}; }),
             column(places, [](const UploadPlace& p) { return p.from; }), kChunksLookedAt)) {
        here.push_back({{device_of(row[0]), row[1].as<std::string>()}, row[2].as<std::int64_t>()});
    }
    return here;
}

void drop_upload_chunks(Tx& tx, std::span<const UploadName> uploads) {
    if (uploads.empty()) return;
    run(tx, sql::runtime_drop_upload_chunks,
        column(uploads, [](const UploadName& u) { return u.device; }),
        column(uploads, [](const UploadName& u) { return std::string_view{u.name}; }));
}

bool join_upload(Tx& tx, const UploadName& upload, const std::string& sha256, Instant now) {
    return !run(tx, sql::runtime_join_upload, upload.device, upload.name, sha256, now).empty();
}

std::vector<DueUpload> due_uploads(Tx& tx, Instant now, std::int64_t rows_max) {
    std::vector<DueUpload> due;
    for (const auto& row : run(tx, sql::runtime_due_uploads, now, rows_max)) {
        due.push_back({upload_of(row), topics::Connection{row[14].as<std::int64_t>()}});
    }
    return due;
}

void wake_uploads(Tx& tx, std::span<const DeviceId> devices, Instant now) {
    if (devices.empty()) return;
    run(tx, sql::runtime_wake_uploads, array_of(devices), now);
}

std::optional<Position> lock_reaction(Tx& tx, const std::string& name) {
    const auto rows = run(tx, sql::runtime_lock_reaction, name);
    if (rows.empty()) return std::nullopt;
    return Position{rows[0][0].as<std::int64_t>()};
}

void advance_reaction(Tx& tx, const std::string& name, Position position) {
    run(tx, sql::runtime_advance_reaction, name, position);
}

std::size_t forget_blob_parts(Tx& tx, Instant before, std::int64_t rows_max) {
    return run(tx, sql::runtime_forget_blob_parts, before, rows_max).affected_rows();
}

ForgottenBlobs forget_blobs(Tx& tx, Instant before, std::int64_t rows_max, std::int64_t bytes_max) {
    const auto row = run(tx, sql::runtime_forget_blobs, before, rows_max, bytes_max)[0];
    return {row[0].as<std::size_t>(), row[1].as<bool>()};
}

std::size_t forget_uploads(Tx& tx, Instant before, std::int64_t rows_max) {
    return run(tx, sql::runtime_forget_uploads, before, rows_max).affected_rows();
}

}  // namespace klyuchnik::db
