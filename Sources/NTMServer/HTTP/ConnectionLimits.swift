/// How many connections are open, over all event loops, and which are too many.
///
/// A connection over a limit is taken all the same, so that its first request can be answered with
/// the reason. These are few at a time: what comes beyond them is closed at once.
final class ConnectionLimits: Sendable {
  /// Connections beyond the limits that wait for a request to refuse.
  static let refused = 64

  private struct State {
    var served = 0
    var refused = 0
    /// Of those that are served, and only where there is a limit.
    var byAddress: [NetworkAddress: Int] = [:]
  }

  /// A connection's place, to be given back.
  struct Place: Sendable {
    let address: NetworkAddress?
    /// Why its requests are refused.
    let refusal: HTTPRefusal?
  }

  private let total: Int
  /// 0 for no limit.
  private let perAddress: Int
  private let state = Lock(State())

  init(total: Int, perAddress: Int) {
    self.total = total
    self.perAddress = perAddress
  }

  /// - Returns: nil where the connection is to be closed at once
  func take(_ address: NetworkAddress?) -> Place? {
    state.withLock { state in
      let counted = perAddress > 0 ? address : nil
      let refusal: HTTPRefusal? =
        if let counted, state.byAddress[counted, default: 0] >= perAddress {
          .tooManyConnectionsOfAddress(limit: perAddress)
        } else {
          state.served >= total ? .tooManyConnections(limit: total) : nil
        }
      guard let refusal else {
        state.served += 1
        if let counted { state.byAddress[counted, default: 0] += 1 }
        return Place(address: counted, refusal: nil)
      }
      guard state.refused < Self.refused else { return nil }
      state.refused += 1
      return Place(address: nil, refusal: refusal)
    }
  }

  func giveBack(_ place: Place) {
    state.withLock { state in
      guard place.refusal == nil else {
        state.refused -= 1
        return
      }
      state.served -= 1
      guard let address = place.address else { return }
      let rest = state.byAddress[address, default: 1] - 1
      state.byAddress[address] = rest == 0 ? nil : rest
    }
  }
}
