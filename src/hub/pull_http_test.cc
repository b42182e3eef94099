#include <sys/resource.h>

#include <chrono>

#include "hub/pull_fixture.h"

namespace uma::hub {
namespace {

namespace fs = std::filesystem;
using testing::EnvironmentScope;
using testing::error_of;
using testing::fake_model;
using testing::kSize;
using testing::PullTest;
using testing::range_of;
using testing::send_file;
using testing::Server;
using testing::write_file;

TEST_F(PullTest, FetchesOverHttp) {
  Server server([&](const auto& request, const auto& peer) { send_file(request, peer, model); });
  row.sources = {{server.url("/m.gguf?sig=secret"), {}}};
  const PullResult result = store().pull("tiny", options());
  EXPECT_FALSE(result.already);
  EXPECT_EQ(result.downloaded_bytes, static_cast<int64_t>(kSize));
  expect_stored(result);
  ASSERT_EQ(server.requests().size(), 1u);
  EXPECT_TRUE(server.requests()[0].starts_with("GET /m.gguf?sig=secret HTTP/1.1\r\n"));
  EXPECT_EQ(progress.back().done_bytes, static_cast<int64_t>(kSize));
  EXPECT_EQ(progress.back().total_bytes, static_cast<int64_t>(kSize));
  for (size_t i = 1; i < progress.size(); ++i) EXPECT_GE(progress[i].done_bytes, progress[i - 1].done_bytes);

  const PullResult again = store().pull("tiny:1", options());
  EXPECT_TRUE(again.already);
  EXPECT_EQ(again.downloaded_bytes, 0);
  EXPECT_EQ(server.requests().size(), 1u);
}

TEST_F(PullTest, ADroppedConnectionIsTakenUpWithARange) {
  int answers = 0;
  Server server([&](const auto& request, const auto& peer) {
    send_file(request, peer, model, ++answers < 3 ? 100'000 : std::string::npos);
  });
  row.sources = {{server.url("/m"), {}}};
  const PullResult result = store().pull("tiny", options());
  expect_stored(result);
  EXPECT_EQ(result.downloaded_bytes, static_cast<int64_t>(kSize));
  ASSERT_EQ(server.requests().size(), 3u);
  EXPECT_EQ(range_of(server.requests()[1]), 100'000u);
  EXPECT_NE(server.requests()[1].find("If-Range: \"v1\""), std::string::npos);
  EXPECT_NE(notes.find("going on from 100.0 kB"), std::string::npos) << notes;
}

TEST_F(PullTest, TheNextPullTakesUpWhatALostConnectionLeft) {
  std::atomic<bool> broken{true};
  Server server([&](const auto& request, const auto& peer) {
    if (!broken) return send_file(request, peer, model);
    if (range_of(request) == 0) send_file(request, peer, model, 200'000);
  });
  row.sources = {{server.url("/m"), {}}};
  expect(error_of([&] { store().pull("tiny", options()); }), ErrorCode::kIo, "127.0.0.1");
  expect_nothing_stored();
  broken = false;
  const PullResult result = store().pull("tiny", options());
  expect_stored(result);
  EXPECT_EQ(result.downloaded_bytes, 100'000);
}

TEST_F(PullTest, AServerWithoutRangesSendsAllAgain) {
  int answers = 0;
  Server server([&](const auto&, const auto& peer) {
    send_file("", peer, model, ++answers == 1 ? 100'000 : std::string::npos);
  });
  row.sources = {{server.url("/m"), {}}};
  expect_stored(store().pull("tiny", options()));
}

// Such a server would send the same bytes again and again, for ever.
TEST_F(PullTest, AServerThatAlwaysBreaksOffAtOnePlaceIsGivenUp) {
  Server server([&](const auto&, const auto& peer) { send_file("", peer, model, 100'000); });
  row.sources = {{server.url("/m"), {}}};
  expect(error_of([&] { store().pull("tiny", options()); }), ErrorCode::kIo, "in the middle of the file");
  EXPECT_EQ(server.requests().size(), 6u);
  expect_nothing_stored();
}

// Without a hash or an ETag nothing could say that the rest belongs to the start.
TEST_F(PullTest, WhatCannotBeTakenUpIsNotKept) {
  Server server([&](const auto&, const auto& peer) {
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 400000\r\n\r\n" + model);
  });
  expect(error_of([&] { store().pull(server.url("/m.gguf"), options()); }), ErrorCode::kIo,
         "in the middle of the file");
  EXPECT_TRUE(fs::is_empty(config.home / "partial"));
}

TEST_F(PullTest, APullThatBringsNothingLeavesNothing) {
  row.sources = {{"http://127.0.0.1:1/m", {}}};
  expect(error_of([&] { store().pull("tiny", options()); }), ErrorCode::kIo, "cannot connect");
  EXPECT_TRUE(fs::is_empty(config.home / "partial"));
}

TEST_F(PullTest, AFileThatChangedMeanwhileStartsAnew) {
  int answers = 0;
  const std::string old = fake_model(kSize, 9);
  Server server([&](const auto& request, const auto& peer) {
    if (++answers == 1) return send_file(request, peer, old, 100'000, "\"v0\"");
    send_file(request, peer, model);
  });
  row.sources = {{server.url("/m"), {}}};
  expect_stored(store().pull("tiny", options()));
}

TEST_F(PullTest, WrongBytesAreDiscarded) {
  const std::string other = fake_model(kSize, 2);
  Server server([&](const auto& request, const auto& peer) { send_file(request, peer, other); });
  row.sources = {{server.url("/m"), {}}};
  expect(error_of([&] { store().pull("tiny", options()); }), ErrorCode::kFormat,
         "the bytes from 127.0.0.1 have another SHA-256 than tiny:1 and were discarded");
  expect_nothing_stored();
  EXPECT_EQ(server.requests().size(), 1u);
  // Nothing of them is taken up by the next pull.
  for (const auto& entry : fs::recursive_directory_iterator(config.home / "partial"))
    EXPECT_NE(entry.path().extension(), ".part");
}

TEST_F(PullTest, ADamagedStartIsFetchedAnew) {
  Server server([&](const auto& request, const auto& peer) { send_file(request, peer, model); });
  row.sources = {{server.url("/m"), {}}};
  write_file(config.home / "partial" / ("sha256-" + row.sha256) / "source-0.part", std::string(1000, 'x'));
  const PullResult result = store().pull("tiny", options());
  expect_stored(result);
  EXPECT_NE(notes.find("damaged"), std::string::npos);
  ASSERT_EQ(server.requests().size(), 2u);
  EXPECT_EQ(range_of(server.requests()[0]), 1000u);
  EXPECT_EQ(range_of(server.requests()[1]), 0u);
}

TEST_F(PullTest, AFileOfAnotherSizeIsRefusedBeforeItComes) {
  for (const size_t size : {kSize + 1, kSize - 1, size_t{1} << 40}) {
    Server server([&](const auto&, const auto& peer) {
      peer.send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(size) + "\r\n\r\n" + model);
    });
    row.sources = {{server.url("/m"), {}}};
    expect(error_of([&] { store().pull("tiny", options()); }), ErrorCode::kIo,
           "a file of " + std::to_string(size) + " bytes");
    expect_nothing_stored();
  }
}

TEST_F(PullTest, AnEndlessBodyIsCutAtTheModelsSize) {
  Server server([&](const auto&, const auto& peer) {
    peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    char head[32];
    for (int i = 0; i < 20 && !peer.stop; ++i) {
      std::snprintf(head, sizeof head, "%zx\r\n", model.size());
      peer.send(head + model + "\r\n");
    }
  });
  row.sources = {{server.url("/m"), {}}};
  expect(error_of([&] { store().pull("tiny", options()); }), ErrorCode::kFormat, "more bytes arrive");
  expect_nothing_stored();
}

TEST_F(PullTest, AShorterBodyThanStatedIsADroppedConnection) {
  Server server(
      [&](const auto&, const auto& peer) { peer.send("HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n"); });
  row.sources = {{server.url("/m"), {}}};
  expect(error_of([&] { store().pull("tiny", options()); }), ErrorCode::kIo, "the connection was closed");
}

TEST_F(PullTest, StatusesAreSentences) {
  const std::pair<std::string, std::string> cases[] = {
      {"404 Not Found", "status 404 (there is no such file)"},
      {"403 Forbidden", "status 403 (it is not open to all)"},
      {"500 Oops", "status 500"},
      {"204 No Content", "status 204"}};
  for (const auto& [status, words] : cases) {
    Server server([&status = status](const auto&, const auto& peer) {
      peer.send("HTTP/1.1 " + status + "\r\nContent-Length: 0\r\n\r\n");
    });
    row.sources = {{server.url("/m"), {}}};
    expect(error_of([&] { store().pull("tiny", options()); }), ErrorCode::kIo, words);
  }
}

TEST_F(PullTest, AnswersThatAreNoneOrLieAreRefused) {
  const std::pair<std::string, std::string> cases[] = {
      {"SSH-2.0-OpenSSH\r\n\r\n", "gave no answer"},
      {"HTTP/1.1 200 OK\r\nX: " + std::string(100'000, 'a') + "\r\n\r\n", "gave no answer"},
      {"HTTP/1.1 200 OK\r\n\r\nGGUF", "does not say how long"},
      {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "sends an empty file"},
      {"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", "gave no answer"},
      {"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n", "gave no answer"},
      {"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 300000\r\n\r\n", "the encoding 'gzip'"},
      {"HTTP/1.1 206 Partial\r\nContent-Range: bytes 7-9/300000\r\nContent-Length: 3\r\n\r\nabc",
       "answers with"},
      {"HTTP/1.1 206 Partial\r\nContent-Length: 3\r\n\r\nabc", "answers with"},
      {"HTTP/1.1 416 No\r\nContent-Length: 0\r\n\r\n", "status 416"},
      {"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n", "redirect without"},
      {"HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n", "neither https"},
  };
  for (const auto& [answer, words] : cases) {
    Server server([&answer = answer](const auto&, const auto& peer) { peer.send(answer); });
    row.sources = {{server.url("/m"), {}}};
    const Error e = error_of([&] { store().pull("tiny", options()); });
    EXPECT_NE(std::string(e.what()).find(words), std::string::npos)
        << answer.substr(0, 60) << " -> " << e.what();
    expect_nothing_stored();
  }
}

TEST_F(PullTest, FollowsRedirectsButNotForever) {
  Server server([&](const auto& request, const auto& peer) {
    const int hop = request[5] - '0';
    if (hop == 0) return send_file(request, peer, model);
    peer.send("HTTP/1.1 302 Found\r\nLocation: /" + std::to_string(hop - 1) +
              "\r\nContent-Length: 0\r\n\r\n");
  });
  row.sources = {{server.url("/5"), {}}};
  expect_stored(store().pull("tiny", options()));
  store().remove("tiny");
  row.sources = {{server.url("/6"), {}}};
  expect(error_of([&] { store().pull("tiny", options()); }), ErrorCode::kIo, "more than 5 steps");
}

TEST_F(PullTest, ASilentServerIsGivenUp) {
  Server server([&](const auto&, const auto& peer) { peer.wait(5000); });
  row.sources = {{server.url("/m"), {}}};
  const auto start = std::chrono::steady_clock::now();
  expect(error_of([&] { store().pull("tiny", options()); }), ErrorCode::kIo, "it took too long");
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(2));
}

TEST_F(PullTest, TheNextSourceIsTriedAndTheErrorNamesAll) {
  Server good([&](const auto& request, const auto& peer) { send_file(request, peer, model); });
  Server bad(
      [&](const auto&, const auto& peer) { peer.send("HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"); });
  row.sources = {{"http://127.0.0.1:1/m", {}}, {bad.url("/m"), {}}, {good.url("/m"), {}}};
  const PullResult result = store().pull("tiny", options());
  expect_stored(result);
  EXPECT_NE(notes.find("cannot connect to 127.0.0.1"), std::string::npos) << notes;
  EXPECT_NE(notes.find("status 404"), std::string::npos) << notes;
  store().remove("tiny");
  row.sources.pop_back();
  const Error e = error_of([&] { store().pull("tiny", options()); });
  expect(e, ErrorCode::kIo, "tiny:1 cannot be had from any of its sources: cannot connect");
  expect(e, ErrorCode::kIo, "status 404");
}

TEST_F(PullTest, AHostThatDoesNotExistIsASentence) {
  row.sources = {{"https://no-such-host.invalid/m", {}}};
  expect(error_of([&] { store().pull("tiny", options()); }), ErrorCode::kIo, "no-such-host.invalid");
}

TEST_F(PullTest, OfflineOpensNoSocket) {
  Server server([&](const auto& request, const auto& peer) { send_file(request, peer, model); });
  row.sources = {{server.url("/m"), {}}};
  config.python = "false";
  PullOptions offline = options();
  offline.offline = true;
  expect(error_of([&] { store().pull("tiny", offline); }), ErrorCode::kUnsupported, "--offline forbids");
  expect(error_of([&] { store().pull(server.url("/m.gguf"), offline); }), ErrorCode::kUnsupported,
         "--offline");
  {
    const EnvironmentScope scope("UMA_OFFLINE", "1");
    expect(error_of([&] { store().pull("tiny", options()); }), ErrorCode::kUnsupported,
           "UMA_OFFLINE forbids");
  }
  EXPECT_TRUE(server.requests().empty());
  const EnvironmentScope zero("UMA_OFFLINE", "0");
  expect_stored(store().pull("tiny", options()));
  EXPECT_TRUE(store().pull("tiny", offline).already);
}

TEST_F(PullTest, CancelKeepsWhatArrived) {
  std::atomic<bool> cancel{false};
  std::atomic<bool> slow{true};
  Server server([&](const auto& request, const auto& peer) {
    if (!slow) return send_file(request, peer, model);
    send_file(request, peer, model, 50'000);
    peer.wait(150);
    peer.send(model.substr(50'000, 50'000));
    peer.wait(5000);
  });
  config.idle_timeout_ms = 20'000;
  row.sources = {{server.url("/m"), {}}};
  PullOptions o = options();
  o.cancel = &cancel;
  o.on_progress = [&](const Progress& p) { cancel = p.done_bytes > 0; };
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(error_of([&] { store().pull("tiny", o); }).code(), ErrorCode::kCancelled);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(2));
  expect_nothing_stored();
  slow = false;
  const PullResult result = store().pull("tiny", options());
  expect_stored(result);
  EXPECT_LT(result.downloaded_bytes, static_cast<int64_t>(kSize));
}

TEST_F(PullTest, AFullDiskLeavesNoModel) {
  Server server([&](const auto& request, const auto& peer) { send_file(request, peer, model); });
  row.sources = {{server.url("/m"), {}}, {server.url("/other"), {}}};
  struct rlimit before {};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  struct rlimit small = before;
  small.rlim_cur = 200'000;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const Error e = error_of([&] { store().pull("tiny", options()); });
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  expect(e, ErrorCode::kIo, "limited to 200.0 kB");
  expect_nothing_stored();
  EXPECT_EQ(server.requests().size(), 1u);  // another source would not help
  expect_stored(store().pull("tiny", options()));
}

TEST_F(PullTest, AModelLargerThanTheDiskIsRefusedBeforeItComes) {
  Server server([&](const auto&, const auto& peer) {
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 4000000000000000000\r\n\r\nGGUF");
  });
  expect(error_of([&] { store().pull(server.url("/m.gguf"), options()); }), ErrorCode::kIo, "are free there");
}

TEST_F(PullTest, ABlackHoleIsGivenUpSoon) {
  // A listener whose queue is full answers no more: as a host that drops all packets.
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const any = reinterpret_cast<sockaddr*>(&address);
  ASSERT_EQ(::bind(listener, any, size), 0);
  ASSERT_EQ(::listen(listener, 0), 0);
  ASSERT_EQ(::getsockname(listener, any, &size), 0);
  std::vector<int> waiting;
  for (int i = 0; i < 4; ++i) {
    waiting.push_back(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    [[maybe_unused]] const int result = ::connect(waiting.back(), any, size);
  }
  config.connect_timeout_ms = 300;
  row.sources = {{"http://127.0.0.1:" + std::to_string(ntohs(address.sin_port)) + "/m", {}}};
  const auto start = std::chrono::steady_clock::now();
  expect(error_of([&] { store().pull("tiny", options()); }), ErrorCode::kIo,
         "cannot connect to 127.0.0.1: it took too long");
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(2));
  for (const int fd : waiting) ::close(fd);
  ::close(listener);
}

}  // namespace
}  // namespace uma::hub
