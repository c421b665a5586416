import Testing

@testable import ntm

struct StopRequestsTests {
  private typealias Decision = StopRequests.Decision

  /// Sends signals at these times in milliseconds.
  private func decisions(
    _ phase: StopRequests.Phase, _ times: [UInt64]
  ) -> [StopRequests.Decision] {
    // As the handler does: between two signals only the word is kept.
    var word = StopRequests(phase).word
    return times.map { time in
      var requests = StopRequests(word: word)
      defer { word = requests.word }
      return requests.receive(at: time)
    }
  }

  @Test func aRepeatWithinHalfASecondIsIgnored() {
    #expect(decisions(.serving, [7000, 7000, 7001, 7499]) == [.stop, .ignore, .ignore, .ignore])
    #expect(decisions(.serving, [0, 0, 400]) == [.stop, .ignore, .ignore])
  }

  @Test func aLaterSignalEndsTheProcess() {
    #expect(decisions(.serving, [7000, 7500]) == [.stop, .end])
    // Repeats do not extend the half second.
    #expect(decisions(.serving, [7000, 7300, 7600]) == [.stop, .ignore, .end])
    #expect(decisions(.stopping, [7000, 9_000_000]) == [.stop, .end])
  }

  @Test func aHandlerThatReadTheClockEarlierIsARepeat() {
    #expect(decisions(.serving, [7000, 6999]) == [.stop, .ignore])
  }

  @Test func aSignalSkipsTheDelayAndTheNextOneEnds() {
    #expect(
      decisions(.delaying, [7000, 7100, 7600, 7700, 8100]) == [
        .stop, .ignore, .skipDelay, .ignore, .end,
      ])
  }

  @Test func thePhaseKeepsTheTimeOfTheFirstSignal() {
    var requests = StopRequests(.serving)
    #expect(requests.receive(at: 7000) == .stop)
    requests.phase = .delaying
    #expect(StopRequests(word: requests.word) == requests)
    #expect(requests.receive(at: 7499) == .ignore)
    requests.phase = .stopping
    #expect(requests.receive(at: 7500) == .end)
  }

  @Test func theFirstSignalEndsAServerThatHasNotStarted() {
    #expect(decisions(.starting, [7000]) == [.end])
  }

  @Test func aCommandThatPollsGetsEverySignal() {
    #expect(decisions(.noting, [7000, 7000, 9000]) == [.stop, .stop, .stop])
  }
}
