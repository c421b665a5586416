/// What was asked for and how it was answered. Labels have a bounded number of values, whatever is
/// asked for: the patterns of the routes, the known methods, the known statuses, and "other".
final class HTTPMetrics: Sendable {
  /// A request's route as a label: the index of a pattern, or their count for none.
  private let patterns: [String]
  private let requests: CounterCells
  private let durations: Histogram

  private static let other = "other"
  private static let methodCount = HTTPMethod.allCases.count
  private static let statuses = [
    200, 201, 202, 204, 206, 301, 302, 303, 304, 307, 308, 400, 401, 403, 404, 405, 406, 408, 409,
    410, 411, 412, 413, 414, 415, 416, 417, 421, 422, 425, 426, 428, 429, 431, 500, 501, 502, 503,
    504, 505,
  ]
  private static let indexOfStatus: [UInt8] = {
    var indices = [UInt8](repeating: UInt8(statuses.count), count: 600)
    for (index, status) in statuses.enumerated() { indices[status] = UInt8(index) }
    return indices
  }()
  private static let statusCount = statuses.count + 1

  init(patterns: [String]) {
    self.patterns = patterns
    let routes = patterns.count + 1
    requests = CounterCells(count: routes * Self.methodCount * Self.statusCount)
    durations = Histogram(
      bounds: Histogram.bounds(from: 20_000, to: 10_000_000_000), series: routes)
  }

  /// - Parameter route: the index of a pattern; nil for a path that no route has
  func answered(_ route: Int?, _ method: HTTPMethod, _ status: Int, nanoseconds: UInt64) {
    let route = route ?? patterns.count
    let status =
      status >= 0 && status < Self.indexOfStatus.count
      ? Int(Self.indexOfStatus[status]) : Self.statuses.count
    requests.add(
      1, to: (route * Self.methodCount + method.rawValue) * Self.statusCount + status)
    durations.observe(nanoseconds, series: route)
  }

  func write(to text: inout MetricsText) {
    let routes = patterns + [Self.other]
    let statuses = Self.statuses.map(\.description) + [Self.other]
    let total = "ntm_http_requests_total"
    text.family(total, .counter, "Requests that were answered.")
    var index = 0
    for route in routes {
      for method in HTTPMethod.allCases {
        for status in statuses {
          let count = requests.total(index)
          index += 1
          guard count > 0 else { continue }
          text.sample(
            total, ["route": route, "method": method.name, "status": status], value: count)
        }
      }
    }
    let name = "ntm_http_request_duration_seconds"
    text.family(
      name, .histogram, "Time from the end of a request's headers to the end of its reply.")
    for (series, route) in routes.enumerated() where durations.reading(series: series).count > 0 {
      text.histogram(name, ("route", route), durations, series: series)
    }
  }
}
