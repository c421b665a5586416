/// A drawing of rectangles, lines and text as an SVG file, in user units of one CSS pixel.
struct SVG {
  let width: Double
  let height: Double
  private var body = ""

  init(width: Double, height: Double) {
    self.width = width
    self.height = height
  }

  enum Anchor: String { case start, middle, end }

  mutating func rectangle(
    x: Double, y: Double, width: Double, height: Double, fill: String, stroke: String? = nil
  ) {
    let outline = stroke.map { " stroke=\"\($0)\"" } ?? ""
    body +=
      "<rect x=\"\(Self.number(x))\" y=\"\(Self.number(y))\" width=\"\(Self.number(width))\" "
      + "height=\"\(Self.number(height))\" fill=\"\(fill)\"\(outline)/>\n"
  }

  mutating func line(_ points: [(x: Double, y: Double)], stroke: String, width: Double = 1.5) {
    let list = points.map { "\(Self.number($0.x)),\(Self.number($0.y))" }.joined(separator: " ")
    body +=
      "<polyline points=\"\(list)\" fill=\"none\" stroke=\"\(stroke)\" "
      + "stroke-width=\"\(Self.number(width))\" stroke-linejoin=\"round\"/>\n"
  }

  mutating func text(
    _ text: String, x: Double, y: Double, anchor: Anchor = .start, size: Double = 12,
    fill: String = "#222", turned: Bool = false
  ) {
    let turn = turned ? " transform=\"rotate(-90 \(Self.number(x)) \(Self.number(y)))\"" : ""
    body +=
      "<text x=\"\(Self.number(x))\" y=\"\(Self.number(y))\" text-anchor=\"\(anchor.rawValue)\" "
      + "font-size=\"\(Self.number(size))\" fill=\"\(fill)\"\(turn)>\(Self.escaped(text))</text>\n"
  }

  /// A matrix as a picture with one cell for each element, row by row from the top. Neighbours of
  /// one colour in a row are drawn as one rectangle.
  ///
  /// - Parameter colour: of an element; nil leaves the background
  mutating func raster(
    rows: Int, columns: Int, x: Double, y: Double, cellWidth: Double, cellHeight: Double,
    background: String, colour: (_ row: Int, _ column: Int) -> String?
  ) {
    let (width, height) = (Double(columns) * cellWidth, Double(rows) * cellHeight)
    rectangle(x: x, y: y, width: width, height: height, fill: background)
    body += "<g shape-rendering=\"crispEdges\">\n"
    for row in 0..<rows {
      var column = 0
      while column < columns {
        let first = column
        let fill = colour(row, column)
        repeat { column += 1 } while column < columns && colour(row, column) == fill
        guard let fill, fill != background else { continue }
        rectangle(
          x: x + Double(first) * cellWidth, y: y + Double(row) * cellHeight,
          width: Double(column - first) * cellWidth, height: cellHeight, fill: fill)
      }
    }
    body += "</g>\n"
    rectangle(x: x, y: y, width: width, height: height, fill: "none", stroke: "#888")
  }

  /// The file.
  var text: String {
    let (width, height) = (Self.number(width), Self.number(height))
    return """
      <svg xmlns="http://www.w3.org/2000/svg" width="\(width)" height="\(height)" \
      viewBox="0 0 \(width) \(height)" font-family="system-ui, sans-serif">
      <rect width="100%" height="100%" fill="#fff"/>
      \(body)</svg>

      """
  }

  /// Hundredths are as fine as anybody sees.
  private static func number(_ value: Double) -> String {
    let hundredths = (value * 100).rounded() / 100
    return hundredths == hundredths.rounded() ? "\(Int(hundredths))" : "\(hundredths)"
  }

  /// Scalar by scalar: a `<` and an accent on it are one `Character`. What no XML file may have is
  /// left out.
  private static func escaped(_ text: String) -> String {
    var result = String.UnicodeScalarView()
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": result.append(contentsOf: "&amp;".unicodeScalars)
      case "<": result.append(contentsOf: "&lt;".unicodeScalars)
      case ">": result.append(contentsOf: "&gt;".unicodeScalars)
      case "\"": result.append(contentsOf: "&quot;".unicodeScalars)
      case "\t", "\n", "\r": result.append(scalar)
      case "\0"..<" ", "\u{FFFE}", "\u{FFFF}": break
      default: result.append(scalar)
      }
    }
    return String(result)
  }
}
