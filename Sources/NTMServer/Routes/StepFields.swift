/// What a step's result says, and how.
struct StepFields: RawRepresentable, Hashable, Sendable {
  /// The names that `return` uses.
  struct Names: OptionSet, Hashable, Sendable {
    let rawValue: UInt8

    static let output = Names(rawValue: 1 << 0)
    static let readWeightings = Names(rawValue: 1 << 1)
    static let writeWeightings = Names(rawValue: 1 << 2)
    static let readVectors = Names(rawValue: 1 << 3)
    static let memory = Names(rawValue: 1 << 4)
    static let heads = Names(rawValue: 1 << 5)
    static let input = Names(rawValue: 1 << 6)
  }

  var names: Names
  /// Of each weighting only so many weights, the largest, with their rows; nil for all of it.
  var top: Int?
  /// Whether a list of numbers is a text: little-endian float32 in base64.
  var isBase64 = false

  static let standard = StepFields(names: [.output, .readWeightings, .writeWeightings])

  init(names: Names) { self.names = names }

  // MARK: In a store

  private static let base64Bit = 8
  private static let topShift = 16
  /// More rows than any memory has.
  private static let mostRows = 1 << 32

  init(rawValue: Int) {
    names = Names(rawValue: UInt8(truncatingIfNeeded: rawValue))
    isBase64 = rawValue >> Self.base64Bit & 1 == 1
    let top = rawValue >> Self.topShift
    self.top = top > 0 ? top : nil
  }

  var rawValue: Int {
    Int(names.rawValue) | (isBase64 ? 1 : 0) << Self.base64Bit | (top ?? 0) << Self.topShift
  }
}

// MARK: In a request

extension StepFields {
  /// The fields of a body by which it is chosen.
  static let names = ["return", "weightings", "encoding"]
  /// The parameters of a query by which it is chosen.
  static let parameters: [StaticString] = ["return", "top", "encoding"]

  /// What a query says: `return` with commas between the names, `top`, `encoding`.
  ///
  /// - Throws: `Problem` 400 where one of them is not what it should be.
  init(query request: HTTPRequest) throws(Problem) {
    self = .standard
    guard request.hasQuery else { return }
    // Nearly always it is one.
    if let one = request.withQueryValue("return", Self.one) {
      names = one
    } else if let list = request.queryValue("return") {
      names = try Self.names(list.split(separator: ","))
    }
    if let text = request.queryValue("top") {
      guard let top = Int(text), (1...Self.mostRows).contains(top) else {
        throw Problem(
          .malformedRequest, "top is \"\(text)\"; a whole number from 1 on is expected")
      }
      self.top = top
    }
    if let encoding = request.queryValue("encoding") { isBase64 = try Self.isBase64(encoding) }
  }

  /// - Throws: `Problem` 400 where a name is none.
  init(names: [String]) throws(Problem) { self.init(names: try Self.names(names)) }

  /// With what a body says in place of what was said before.
  ///
  /// - Parameter body: an object's fields
  /// - Throws: `Problem` 400 where one of them is not what it should be.
  func changed(by body: JSONObject) throws(Problem) -> StepFields {
    var fields = self
    if let list = body["return"] {
      var names: [String] = []
      for (index, name) in try list.list("return").enumerated() {
        names.append(try name.string("return[\(index)]"))
      }
      fields.names = try Self.names(names)
    }
    if let weightings = body["weightings"] {
      guard let top = try weightings.fields(["top"], of: "weightings")["top"] else {
        throw Problem(.malformedRequest, "weightings has no \"top\"")
      }
      fields.top = try top.integer("weightings.top", 1...Self.mostRows)
    }
    if let encoding = body["encoding"] {
      fields.isBase64 = try Self.isBase64(encoding.string("encoding"))
    }
    return fields
  }

  private static let byName: [(name: String, field: Names)] = [
    ("input", .input), ("output", .output), ("read_weightings", .readWeightings),
    ("write_weightings", .writeWeightings), ("read_vectors", .readVectors), ("memory", .memory),
    ("heads", .heads),
  ]

  private static let bytesOfNames = byName.map { (bytes: Array($0.name.utf8), field: $0.field) }

  /// What has this name and no other.
  private static func one(_ name: UnsafeRawBufferPointer?) -> Names? {
    guard let name else { return nil }
    return bytesOfNames.first { $0.bytes.count == name.count && name.elementsEqual($0.bytes) }?
      .field
  }

  private static func names(_ names: [some StringProtocol]) throws(Problem) -> Names {
    var all: Names = []
    for (index, name) in names.enumerated() {
      guard let known = byName.first(where: { $0.name == name }) else {
        let valid = byName.map(\.name)
        throw Problem(
          .malformedRequest,
          "return[\(index)] is \"\(name)\"; valid are \(valid.joined(separator: ", "))",
          fields: ["valid": .list(valid)])
      }
      all.insert(known.field)
    }
    return all
  }

  private static func isBase64(_ encoding: String) throws(Problem) -> Bool {
    let valid = ["decimal", "base64"]
    guard let index = valid.firstIndex(of: encoding) else {
      throw Problem(
        .malformedRequest,
        "encoding is \"\(encoding)\"; valid are \(valid.joined(separator: ", "))",
        fields: ["valid": .list(valid)])
    }
    return index == 1
  }
}
