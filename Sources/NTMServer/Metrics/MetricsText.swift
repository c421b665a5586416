/// Prometheus' text format, version 0.0.4.
struct MetricsText {
  static let mediaType = "text/plain; version=0.0.4; charset=utf-8"

  enum Kind: String {
    case counter, gauge, histogram
  }

  typealias Labels = KeyValuePairs<String, String>

  private(set) var text = ""

  /// Begins a family; its samples follow.
  mutating func family(_ name: String, _ kind: Kind, _ help: String) {
    text += "# HELP \(name) \(help)\n# TYPE \(name) \(kind.rawValue)\n"
  }

  /// - Parameter value: an `Int`, or a `Double`
  mutating func sample(
    _ name: String, _ labels: Labels = [:], value: some CustomStringConvertible & Numeric
  ) {
    text += name
    if !labels.isEmpty {
      let labels = labels.map { "\($0.key)=\"\(Self.escaped($0.value))\"" }
      text += "{\(labels.joined(separator: ","))}"
    }
    text += " \(value)\n"
  }

  /// A family with one sample, which has no labels; nothing where there is no value.
  mutating func single(_ name: String, _ kind: Kind, _ help: String, _ value: Double?) {
    guard let value else { return }
    family(name, kind, help)
    // Whole numbers are easier to read without a fraction.
    if let whole = Int(exactly: value) {
      sample(name, value: whole)
    } else {
      sample(name, value: value)
    }
  }

  /// The samples of one series.
  ///
  /// - Parameter label: tells it from the others
  mutating func histogram(
    _ name: String, _ label: (name: String, value: String), _ histogram: Histogram, series: Int = 0
  ) {
    let reading = histogram.reading(series: series)
    var count = 0
    for (index, more) in reading.counts.enumerated() {
      count += more
      let bound =
        index < histogram.bounds.count
        ? Self.seconds(Int(histogram.bounds[index])).description : "+Inf"
      sample("\(name)_bucket", [label.name: label.value, "le": bound], value: count)
    }
    sample("\(name)_sum", [label.name: label.value], value: Self.seconds(reading.nanoseconds))
    sample("\(name)_count", [label.name: label.value], value: count)
  }

  private static func seconds(_ nanoseconds: Int) -> Double { Double(nanoseconds) / 1e9 }

  /// By Unicode scalars: a character may be an escaped one with a mark on it.
  private static func escaped(_ value: String) -> String {
    var result = String.UnicodeScalarView()
    for scalar in value.unicodeScalars {
      switch scalar {
      case "\\": result.append(contentsOf: #"\\"#.unicodeScalars)
      case "\"": result.append(contentsOf: #"\""#.unicodeScalars)
      case "\n": result.append(contentsOf: #"\n"#.unicodeScalars)
      default: result.append(scalar)
      }
    }
    return String(result)
  }
}
