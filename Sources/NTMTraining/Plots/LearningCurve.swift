#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#else
  internal import Darwin
#endif

/// Loss against sequences, as the paper's figures 3, 7, 10, 13 and 18 show it, on a logarithmic
/// scale, because what matters lies near zero.
public struct LearningCurve {
  let history: [TrainingRecord]
  let title: String
  /// Of the loss, such as "bits".
  let unit: String

  public init(_ history: [TrainingRecord], title: String, unit: String) {
    self.history = history
    self.title = title
    self.unit = unit
  }

  private static let width = 720.0
  private static let height = 400.0
  private static let plot = (left: 70.0, top: 40.0, right: 700.0, bottom: 350.0)
  /// The least that is told apart from zero.
  private static let least = 1e-3

  private var series: [(name: String, colour: String, points: [(Double, Double)])] {
    let all: [(String, String, [(Double, Double)])] = [
      ("training", "#9ab", history.map { (Double($0.sequences), $0.trainingLoss) }),
      ("validation", "#1f6fb4", history.map { (Double($0.sequences), $0.validationLoss) }),
      (
        "beyond training lengths", "#d1701f",
        history.compactMap { record in
          record.beyondLoss.map { (Double(record.sequences), $0) }
        }
      ),
    ]
    return all.map { ($0.0, $0.1, $0.2.filter { $0.1.isFinite }) }.filter { !$0.2.isEmpty }
  }

  /// The curve as an SVG file.
  public var svg: String {
    var svg = SVG(width: Self.width, height: Self.height)
    let plot = Self.plot
    svg.text(title, x: plot.left, y: 24, size: 15)
    let losses = series.flatMap { $0.points.map { max(Self.least, $0.1) } }
    let bottom = floor(log10(losses.min() ?? Self.least))
    let top = max(bottom + 1, ceil(log10(losses.max() ?? 1)))
    let most = max(1, Double(history.last?.sequences ?? 1))
    func place(_ point: (Double, Double)) -> (x: Double, y: Double) {
      let height = (log10(max(Self.least, point.1)) - bottom) / (top - bottom)
      return (
        plot.left + point.0 / most * (plot.right - plot.left),
        plot.bottom - height * (plot.bottom - plot.top)
      )
    }
    // A run that diverges spans more powers than there is room to name.
    let step = (Int(top) - Int(bottom)) / 12 + 1
    for exponent in stride(from: Int(bottom), through: Int(top), by: step) {
      let y = place((0, pow(10, Double(exponent)))).y
      svg.line([(plot.left, y), (plot.right, y)], stroke: "#ddd", width: 1)
      svg.text(
        Self.label(exponent), x: plot.left - 8, y: y + 4, anchor: .end)
    }
    for tick in Self.ticks(upTo: most) {
      let x = place((tick, 1)).x
      svg.line([(x, plot.bottom), (x, plot.bottom + 5)], stroke: "#888", width: 1)
      svg.text(Self.label(tick), x: x, y: plot.bottom + 20, anchor: .middle)
    }
    svg.rectangle(
      x: plot.left, y: plot.top, width: plot.right - plot.left, height: plot.bottom - plot.top,
      fill: "none", stroke: "#888")
    svg.text("sequences", x: (plot.left + plot.right) / 2, y: plot.bottom + 40, anchor: .middle)
    svg.text(
      "\(unit) per sequence", x: 18, y: (plot.top + plot.bottom) / 2, anchor: .middle, turned: true)
    for (index, line) in series.enumerated() {
      svg.line(line.points.map(place), stroke: line.colour)
      let y = plot.top + 18 + Double(index) * 18
      svg.line(
        [(plot.right - 190, y - 4), (plot.right - 165, y - 4)], stroke: line.colour, width: 3)
      svg.text(line.name, x: plot.right - 158, y: y)
    }
    return svg.text
  }

  private static func label(_ exponent: Int) -> String {
    switch exponent {
    case ..<0: "0." + String(repeating: "0", count: -exponent - 1) + "1"
    case ..<7: "1" + String(repeating: "0", count: exponent)
    default: "1e\(exponent)"
    }
  }

  private static func label(_ sequences: Double) -> String {
    if sequences >= 1e6 { return "\(sequences / 1e6)M".replacingSuffix(".0M", "M") }
    if sequences >= 1e3 { return "\(sequences / 1e3)k".replacingSuffix(".0k", "k") }
    return "\(Int(sequences))"
  }

  /// Round numbers from 0, ten of them at most.
  private static func ticks(upTo most: Double) -> [Double] {
    let rough = max(1, most / 5)
    let scale = pow(10, floor(log10(rough)))
    let step = [1, 2, 5, 10].map { $0 * scale }.first { $0 >= rough } ?? rough
    return Array(stride(from: 0, through: most, by: step))
  }
}

extension String {
  fileprivate func replacingSuffix(_ suffix: String, _ other: String) -> String {
    hasSuffix(suffix) ? dropLast(suffix.count) + other : self
  }
}
