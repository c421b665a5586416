import Testing

@testable import NTMServer

struct EventHistoryTests {
  private func text(_ number: Int, bytes: Int = 4) -> [UInt8] {
    [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: bytes)
  }

  @Test func theNewestAreKept() {
    var history = EventHistory(after: 5)
    #expect(history.first == 6 && history.last == 5)
    for number in 1...3000 {
      history.append(text(number))
      #expect(history.last == 5 + number)
      #expect(history.first == max(6, 5 + number - EventHistory.limit + 1))
    }
    for number in history.first...history.last { #expect(history[number] == text(number - 5)) }
  }

  @Test func longOnesAreForgottenSooner() {
    let length = EventHistory.byteLimit / 4 - (EventHistory.size(of: []))
    var history = EventHistory()
    for number in 1...10 { history.append(text(number, bytes: length)) }
    #expect(history.first == 7 && history.last == 10)
    // The newest stays, however long it is.
    history.append(text(11, bytes: 2 * EventHistory.byteLimit))
    #expect(history.first == 11 && history.last == 11)
    #expect(history[11].count == 2 * EventHistory.byteLimit)
    history.append(text(12))
    #expect(history.first == 12)
  }

  @Test func aLowerLimitDropsTheOldest() {
    var history = EventHistory()
    for number in 1...10 { history.append(text(number)) }
    let size = EventHistory.size(of: text(1))
    history.limit(bytes: 3 * size)
    #expect(history.first == 8 && history.last == 10 && history.bytes == 3 * size)
    history.limit(bytes: 0)
    #expect(history.first == 10 && history.bytes == size)
    history.append(text(11))
    #expect(history.first == 11)
  }

  @Test func unknownTextsAreSkipped() {
    var history = EventHistory(byteLimit: 1000)
    history.append(text(1))
    history.skip(to: 1)
    #expect(history.first == 1)
    history.skip(to: 4)
    #expect(history.first == 5 && history.last == 4)
    history.append(text(5))
    #expect(history[5] == text(5))
    #expect(history.byteLimit == 1000)
  }
}

struct EventIDTests {
  @Test func anIDIsReadAsItIsWritten() {
    for id in [
      EventID(epoch: 1, number: 0, step: 0),
      EventID(epoch: 1 << 48 - 1, number: 1_234_567, step: 1 << 52),
      EventID(epoch: EventID.makeEpoch(), number: .max, step: .max),
    ] {
      #expect(EventID("\(id)") == id)
    }
    #expect("\(EventID(epoch: 0x5c2f91, number: 7, step: 12))" == "5c2f91-7-12")
  }

  @Test func aNumberAloneHasNoEpoch() {
    #expect(EventID("17") == EventID(epoch: 0, number: 17, step: 0))
  }

  @Test(arguments: [
    "x", "-1", "+1", "1.5", "1-2", "1-2-3-4", "-1-2", "a--1", "a-1-", "g-1-2", "a-1-2x", "+a-1-2",
    "a-+1-2", "a-1-99999999999999999999", "1234567890abc-1-2", "99999999999999999999", "ａ-1-2",
    "a-１-2", "a 1 2", " ",
  ])
  func otherTextsAreNoIDs(_ text: String) { #expect(EventID(text) == nil) }
}
