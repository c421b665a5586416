import Testing

@testable import NTMServer

@Suite struct BodyTurnsTests {
  private typealias Turns = BodyTurns<Int>

  @Test func runReceivesALimitedNumberOfParts() {
    var turns = Turns()
    for _ in 0..<Turns.mostParts { expect(&turns, receives: 8000, true) }
    expect(&turns, receives: 8000, false)
    expect(&turns, receives: Turns.shortPart, true)
    expect(&turns, next: [])
    expect(&turns, receives: 8000, true)
  }

  @Test func uploadsThatWaitAreServedInOrderAndBeforeOthers() {
    var turns = Turns()
    let most = Turns.mostParts
    for upload in 0..<(most + 3) { turns.postpone(upload) }
    expect(&turns, next: Array(0..<most))
    // Their parts are all that this run receives.
    expect(&turns, receives: 8000, false)
    turns.postpone(100)
    expect(&turns, next: [most, most + 1, most + 2, 100])
    for _ in 0..<(most - 4) { expect(&turns, receives: 8000, true) }
    expect(&turns, receives: 8000, false)
    expect(&turns, next: [])
  }

  private func expect(_ turns: inout Turns, receives bytes: Int, _ isReceived: Bool) {
    let result = turns.mayReceive(bytes)
    #expect(result == isReceived)
  }

  private func expect(_ turns: inout Turns, next uploads: [Int]) {
    let result = turns.next()
    #expect(result == uploads)
  }
}
