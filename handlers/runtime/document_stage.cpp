#include "handlers/runtime/document_stage.hpp"

#include <algorithm>

#include "topics/codec.hpp"
#include "topics/limits.hpp"
#include "topics/names.hpp"

namespace klyuchnik::handlers {

using namespace topics;
using db::UploadState;

namespace {

constexpr std::string_view kTask = "devices.ask_for_chunks";
constexpr std::int64_t kAskedMax = 200;  ///< Uploads in one look; the rest in the next.

db::UploadName name_of(const db::Upload& upload) {
    return {upload.device, upload.name};
}

/// The first 8 bytes of a hash, as a chunk says them.
std::string hex_of(const DocumentTag& tag) {
    Sha256 whole{};
    std::ranges::copy(tag, whole.begin());
    return to_hex(whole).substr(0, tag.size() * 2);
}

Event& log_document(Work& work, std::string_view type, const db::UploadName& of,
                    const std::string& what) {
    return work.log(of.device, type, "document:" + of.device.text() + ":" + of.name + ":" + what);
}

void receive(db::Tx& tx, const db::Upload& upload, Work& work) {
    const Version version =
        db::add_received_document(tx, upload.device, upload.name, upload.sha256, work.now);
    log_document(work, "document_received", name_of(upload), std::to_string(version.value))
        .ids.version = version;
}

void give_up(db::Upload& upload, std::string_view why, Work& work) {
    upload.state = UploadState::failed;
    Event& event = log_document(work, "document_failed", name_of(upload),
                                upload.sha256.substr(0, sizeof(DocumentTag) * 2));
    event.ids.why = std::string{why};
    work.alarm("document_failed", "device:" + upload.device.text(), 2, event.ids);
}

void begin_anew(db::Upload& upload) {
    upload.total = 0;
    upload.chunk_bytes = 0;
    upload.have = 0;
    upload.asked_last = -1;
    upload.asks = 0;
}

Outgoing asking_message(const db::Upload& upload, Connection cn, const Asking& asking) {
    ChunksWanted wanted;
    wanted.cn = cn;
    wanted.document = upload.name;
    wanted.index = asking.first;
    wanted.count = asking.count;
    return {device_topic(upload.device, Level::chunk_down), encode(wanted)};
}

using Here = std::map<db::UploadName, std::vector<std::int64_t>>;

Here look(db::Tx& tx, const std::vector<db::UploadPlace>& places) {
    Here here;
    for (const db::ChunkHere& one : db::chunks_here(tx, places)) here[one.of].push_back(one.index);
    return here;
}

}  // namespace

void DocumentStage::announced(const FactItem& item, std::optional<Connection> cn) {
    const DeviceId& device = item.number.device;
    if (cn) connections_[device] = *cn;
    ready_.push_back({device, std::get<DocumentReady>(item.fact.body), item.source});
}

void DocumentStage::arrived(const DeviceId& device, Connection cn, Chunk chunk) {
    connections_[device] = cn;
    arrived_.push_back({device, std::move(chunk)});
}

void DocumentStage::store(db::Tx& tx, Work& work) {
    const std::vector<DeviceId> born{born_.begin(), born_.end()};
    db::wake_uploads(tx, born, work.now);
    std::set<DeviceId> devices;
    for (const Ready& one : ready_) devices.insert(one.device);
    for (const Arrived& one : arrived_) devices.insert(one.device);
    if (devices.empty()) return;
    const std::vector<DeviceId> to_lock{devices.begin(), devices.end()};
    for (db::Upload& upload : db::lock_uploads(tx, to_lock)) {
        const db::UploadName name = name_of(upload);
        uploads_[name].upload = std::move(upload);
    }
    announce_all(tx, work);
    take_chunks();
    keep_chunks(tx, work.now);
    advance(tx, work);
    std::vector<db::Upload> changed;
    std::vector<db::UploadName> over;
    for (const auto& [name, open] : uploads_) {
        if (!open.changed) continue;
        changed.push_back(open.upload);
        if (open.upload.state != UploadState::open) over.push_back(name);
    }
    db::save_uploads(tx, changed, work.now);
    db::drop_upload_chunks(tx, over);
}

void DocumentStage::announce_all(db::Tx& tx, Work& work) {
    if (ready_.empty()) return;
    std::set<db::ReceivedContent> said;
    for (const Ready& one : ready_) said.insert({one.device, one.fact.sha256, one.fact.bytes});
    const std::vector<db::ReceivedContent> wanted{said.begin(), said.end()};
    const auto here = db::received_content(tx, wanted);
    const std::int64_t today = day_of(work.now);
    std::vector<db::UploadName> begun;
    for (const Ready& one : ready_) {
        const db::UploadName name{one.device, one.fact.document};
        const auto found = uploads_.find(name);
        const db::Upload* const earlier = found == uploads_.end() ? nullptr : &found->second.upload;
        const db::ReceivedContent content{one.device, one.fact.sha256, one.fact.bytes};
        const Announced verdict =
            judge_announcement(one.fact, earlier, so_far(one.device, today),
                               std::ranges::find(here, content) != here.end());
        if (verdict == Announced::kept) continue;
        if (verdict == Announced::refused) {
            Event& event = log_document(work, "document_refused", name, one.source);
            event.ids.why = std::string{info(Code::limit_reached).name};
            work.alarm("document_failed", "device:" + one.device.text(), 2, event.ids);
            continue;
        }
        db::Upload upload;
        upload.device = one.device;
        upload.name = one.fact.document;
        upload.sha256 = one.fact.sha256;
        upload.bytes = one.fact.bytes;
        upload.ask_after = work.now;
        upload.day = today;
        if (earlier && earlier->day == today) upload.day_bytes = earlier->day_bytes;
        if (verdict == Announced::begun) upload.day_bytes += upload.bytes;
        Open& open = uploads_[name];
        open.upload = std::move(upload);
        open.changed = true;
        open.fresh = verdict == Announced::begun;
        begun.push_back(name);
        if (verdict == Announced::here) {
            open.upload.state = UploadState::done;
            receive(tx, open.upload, work);
            ++counts_.received;
        } else if (verdict == Announced::over_quota) {
            give_up(open.upload, "daily_quota", work);
            ++counts_.failed;
        }
    }
    db::drop_upload_chunks(tx, begun);
}

UploadsSoFar DocumentStage::so_far(const DeviceId& device, std::int64_t today) const {
    std::vector<const db::Upload*> of_device;
    for (const auto& [name, open] : uploads_) {
        if (name.device == device) of_device.push_back(&open.upload);
    }
    return uploads_so_far(of_device, today);
}

void DocumentStage::take_chunks() {
    for (Arrived& one : arrived_) {
        const std::string tag = hex_of(one.chunk.document);
        const auto found = std::ranges::find_if(uploads_, [&](const auto& entry) {
            const db::Upload& upload = entry.second.upload;
            return upload.device == one.device && upload.state == UploadState::open &&
                   upload.sha256.starts_with(tag) && fit(upload, one.chunk) != Fit::no;
        });
        const Fit how = found == uploads_.end() ? Fit::no : fit(found->second.upload, one.chunk);
        if (how == Fit::no) {
            ++counts_.dropped;
            continue;
        }
        Open& open = found->second;
        if (how == Fit::recut) {
            begin_anew(open.upload);
            open.upload.total = one.chunk.total;
            open.upload.chunk_bytes = *chunk_bytes_of(open.upload.bytes, one.chunk);
            open.recut = true;
            open.chunks.clear();
        }
        const std::int64_t index = one.chunk.index;
        open.moved = true;
        open.changed = true;
        open.ended = open.ended || index >= open.upload.asked_last;
        ++counts_.chunks;
        const bool twice =
            std::ranges::find(open.chunks, index, &db::UploadChunk::index) != open.chunks.end();
        if (twice || index < open.upload.have) continue;
        open.chunks.push_back({found->first, index, std::move(one.chunk.bytes)});
    }
}

void DocumentStage::keep_chunks(db::Tx& tx, Instant now) {
    std::vector<db::UploadName> recut;
    std::vector<db::Upload> rows;
    std::vector<db::UploadChunk> chunks;
    for (auto& [name, open] : uploads_) {
        if (open.recut && !open.fresh) recut.push_back(name);
        if (!open.chunks.empty() && open.fresh) rows.push_back(open.upload);
        std::ranges::move(open.chunks, std::back_inserter(chunks));
    }
    db::drop_upload_chunks(tx, recut);
    // A chunk belongs to a row that is there.
    db::save_uploads(tx, rows, now);
    db::add_upload_chunks(tx, chunks);
}

void DocumentStage::advance(db::Tx& tx, Work& work) {
    std::vector<db::UploadPlace> places;
    for (const auto& [name, open] : uploads_) {
        if (open.moved) places.push_back({name, open.upload.have});
    }
    const Here here = look(tx, places);
    for (auto& [name, open] : uploads_) {
        db::Upload& upload = open.upload;
        if (open.fresh && !open.moved && upload.state == UploadState::open) {
            ask(open, {0, 1}, work);
            continue;
        }
        if (!open.moved) continue;
        const auto found = here.find(name);
        const std::vector<std::int64_t> none;
        const std::vector<std::int64_t>& indexes = found == here.end() ? none : found->second;
        upload.have = first_missing(upload.have, indexes);
        upload.asks = 0;
        upload.ask_after = work.now + limits::kChunkRepeat;
        if (upload.have >= upload.total) {
            finish(tx, open, work);
        } else if (open.ended || upload.have > upload.asked_last) {
            ask(open, next_asking(upload, indexes), work);
        }
    }
}

void DocumentStage::finish(db::Tx& tx, Open& open, Work& work) {
    db::Upload& upload = open.upload;
    if (db::join_upload(tx, name_of(upload), upload.sha256, work.now)) {
        upload.state = UploadState::done;
        receive(tx, upload, work);
        ++counts_.received;
        return;
    }
    ++upload.failures;
    const std::vector<db::UploadName> names{name_of(upload)};
    db::drop_upload_chunks(tx, names);
    begin_anew(upload);
    if (upload.failures >= kUploadFailuresMax) {
        give_up(upload, "wrong_hash", work);
        ++counts_.failed;
        return;
    }
    ask(open, {0, 1}, work);
}

void DocumentStage::ask(Open& open, const Asking& asking, Work& work) {
    db::Upload& upload = open.upload;
    const auto cn = connections_.find(upload.device);
    if (cn == connections_.end()) {
        upload.ask_after = work.now;
        return;
    }
    upload.asked_last = asking.first + asking.count - 1;
    upload.ask_after = work.now + limits::kChunkRepeat;
    work.out.push_back(asking_message(upload, cn->second, asking));
}

TimedTask ask_for_chunks() {
    return {std::string{kTask}, limits::kChunkRepeat,
            [](Work& work, db::Tx& tx) {
                std::vector<db::DueUpload> due = db::due_uploads(tx, work.now, kAskedMax);
                std::vector<db::UploadPlace> places;
                for (const db::DueUpload& one : due) {
                    places.push_back({name_of(one.upload), one.upload.have});
                }
                const Here here = look(tx, places);
                std::vector<db::Upload> changed;
                std::vector<db::UploadName> over;
                for (db::DueUpload& one : due) {
                    db::Upload& upload = one.upload;
                    if (++upload.asks > kUploadAsksMax) {
                        give_up(upload, "unanswered", work);
                        over.push_back(name_of(upload));
                    } else {
                        const auto found = here.find(name_of(upload));
                        const Asking asking =
                            next_asking(upload, found == here.end() ? std::vector<std::int64_t>{}
                                                                    : found->second);
                        upload.asked_last = asking.first + asking.count - 1;
                        upload.ask_after = work.now + pause_after(upload.asks - 1);
                        work.out.push_back(asking_message(upload, one.cn, asking));
                    }
                    changed.push_back(upload);
                }
                db::save_uploads(tx, changed, work.now);
                db::drop_upload_chunks(tx, over);
            },
            true};
}

}  // namespace klyuchnik::handlers
