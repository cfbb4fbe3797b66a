#include "firmware-sim/device/documents.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "firmware-sim/device/journal.hpp"
#include "firmware-sim/device/records.hpp"
#include "topics/limits.hpp"

namespace klyuchnik::sim {
namespace {

constexpr std::string_view kStateArea = "state";
constexpr std::string_view kOffer = "offer.";
constexpr std::string_view kPart = ".part";
/// The largest document, and what stands around it in its record.
constexpr std::size_t kRecordBytesMax = topics::limits::kDocumentBytesMax + 1024;

std::string area(std::string_view document, std::string_view what) {
    return std::string{document} + std::string{what};
}

std::string_view view_of(const topics::Sha256& hash) {
    return {reinterpret_cast<const char*>(hash.data()), hash.size()};
}

std::string written(const DocumentHead& head) {
    std::string out;
    put(out, head.version);
    put(out, head.bytes);
    put(out, head.chunk_bytes);
    put(out, view_of(head.sha256));
    put(out, head.label);
    return out;
}

std::optional<DocumentHead> read_head(std::string_view payload) {
    Reader reader{payload};
    DocumentHead head;
    head.version = reader.number();
    head.bytes = reader.number();
    head.chunk_bytes = reader.number();
    const std::string hash = reader.text();
    head.label = reader.text();
    if (!reader.good() || hash.size() != head.sha256.size() || head.bytes < 0 ||
        head.chunk_bytes < 1) {
        return std::nullopt;
    }
    std::ranges::copy(hash, head.sha256.begin());
    return head;
}

}  // namespace

// == files
// ============================================================================================

FileDocumentStore::FileDocumentStore(std::filesystem::path directory, std::string name, bool flush)
    : directory_{std::move(directory)}, name_{std::move(name)}, flush_{flush} {}

std::filesystem::path FileDocumentStore::path(std::string_view area) const {
    return directory_ / (name_ + "." + std::string{area});
}

std::string FileDocumentStore::read(std::string_view area) {
    if (!std::filesystem::exists(path(area))) return {};
    return FileStore{path(area), flush_}.read();
}

void FileDocumentStore::append(std::string_view area, std::string_view bytes) {
    FileStore{path(area), flush_}.append(bytes, false);
}

void FileDocumentStore::replace(std::string_view area, std::string_view bytes) {
    FileStore{path(area), flush_}.replace(bytes);
}

std::string MemoryDocumentStore::read(std::string_view area) {
    const auto found = areas_.find(area);
    return found == areas_.end() ? std::string{} : found->second;
}

void MemoryDocumentStore::append(std::string_view area, std::string_view bytes) {
    areas_[std::string{area}] += bytes;
}

void MemoryDocumentStore::replace(std::string_view area, std::string_view bytes) {
    areas_[std::string{area}] = bytes;
}

// == documents
// ========================================================================================

Documents::Documents(DocumentStore& store) : store_{store} {
    read_state();
    read_rights();
    read_partial(kRightsDocument);
    read_partial(kFirmwareDocument);
    // A crash between the new document and the end of its download left both.
    if (const Partial* left = partial(kRightsDocument);
        left != nullptr && left->head.version == rights_version()) {
        drop(kRightsDocument);
    }
}

void Documents::read_state() {
    const std::string bytes = store_.read(kStateArea);
    if (bytes.empty()) return;
    const auto payload = record_at(bytes, 0, kRecordBytesMax);
    if (!payload) {
        ++damaged_;
        return;
    }
    Reader reader{*payload};
    DeviceState state;
    state.locked = reader.byte() != '\0';
    state.firmware_started = reader.byte() != '\0';
    state.heartbeat_s = reader.number();
    state.lease_from_utc_s = reader.number();
    state.time_zone = reader.text();
    state.firmware = reader.text();
    state.firmware_tried = reader.text();
    state.firmware_refused = reader.text();
    const bool good = reader.good();
    // Not there in what earlier firmware wrote: then they are 0, and the lease has ended.
    state.lease_s = reader.number();
    state.firmware_boot = reader.number();
    if (good) {
        state_ = std::move(state);
    } else {
        ++damaged_;
    }
}

void Documents::keep(const DeviceState& state) {
    if (state == state_) return;
    std::string out;
    out.push_back(state.locked ? '\1' : '\0');
    out.push_back(state.firmware_started ? '\1' : '\0');
    put(out, state.heartbeat_s);
    put(out, state.lease_from_utc_s);
    put(out, state.time_zone);
    put(out, state.firmware);
    put(out, state.firmware_tried);
    put(out, state.firmware_refused);
    put(out, state.lease_s);
    put(out, state.firmware_boot);
    store_.replace(kStateArea, framed(out));
    state_ = state;
}

void Documents::read_rights() {
    const std::string bytes = store_.read(kRightsDocument);
    if (bytes.empty()) return;
    if (const auto content = record_at(bytes, 0, kRecordBytesMax)) {
        if (auto decoded = topics::decode_rights(*content)) {
            rights_ = std::move(*decoded);
            return;
        }
    }
    ++damaged_;
}

void Documents::read_partial(std::string_view document) {
    const std::string where = area(document, kPart);
    const std::string bytes = store_.read(where);
    if (bytes.empty()) return;
    const auto first = record_at(bytes, 0, kRecordBytesMax);
    const auto head = first ? read_head(*first) : std::nullopt;
    if (!head) {
        ++damaged_;
        store_.replace(where, {});
        return;
    }
    Partial partial{*head, {}, 0};
    std::size_t at = kRecordHeaderBytes + first->size();
    while (const auto chunk = record_at(bytes, at, kRecordBytesMax)) {
        partial.content += *chunk;
        ++partial.chunks;
        at += kRecordHeaderBytes + chunk->size();
    }
    // What a crash left at the end would hide everything appended behind it.
    if (at != bytes.size()) store_.replace(where, std::string_view{bytes}.substr(0, at));
    partials_.insert_or_assign(std::string{document}, std::move(partial));
}

const Partial* Documents::partial(std::string_view document) const {
    const auto found = partials_.find(document);
    return found == partials_.end() ? nullptr : &found->second;
}

void Documents::begin(std::string_view document, const DocumentHead& head) {
    store_.replace(area(document, kPart), framed(written(head)));
    partials_.insert_or_assign(std::string{document}, Partial{head, {}, 0});
}

void Documents::add(std::string_view document, std::string_view chunk) {
    Partial& partial = partials_.find(document)->second;
    // An empty record would look like damage; the one empty chunk there is belongs to an empty
    // document and needs no place.
    if (!chunk.empty()) store_.append(area(document, kPart), framed(chunk));
    partial.content += chunk;
    ++partial.chunks;
}

void Documents::drop(std::string_view document) {
    const auto found = partials_.find(document);
    if (found == partials_.end()) return;
    partials_.erase(found);
    store_.replace(area(document, kPart), {});
}

void Documents::make_rights_current(topics::RightsDocument decoded) {
    store_.replace(kRightsDocument, framed(partial(kRightsDocument)->content));
    rights_ = std::move(decoded);
    drop(kRightsDocument);
}

void Documents::offer(std::string_view document, std::string_view content) {
    // The one mark in front keeps the record of an empty document from being empty itself.
    store_.replace(area(kOffer, document), framed("D" + std::string{content}));
    offered_[std::string{document}] = content;
}

const std::string* Documents::offered(std::string_view document) {
    const auto found = offered_.find(document);
    if (found != offered_.end()) return &found->second;
    const std::string bytes = store_.read(area(kOffer, document));
    const auto payload = record_at(bytes, 0, kRecordBytesMax);
    if (!payload) return nullptr;
    return &offered_.emplace(document, payload->substr(1)).first->second;
}

}  // namespace klyuchnik::sim
