/// A list of numbers, or of lists of numbers, that a text has at one place. It is found by its
/// characters alone, before parsing, so that the parser can allocate exactly the memory that it
/// needs.
struct JSONNumberLists {
  /// The lists of numbers in the list; nil if it has numbers itself.
  let rows: Int?
  /// An upper bound of the count of numbers in the list, or in all its lists.
  let numbers: Int
  /// The offset behind the list's closing bracket.
  let end: Int

  /// - Parameter start: the offset behind the list's opening bracket
  /// - Returns: nil if there is any other value in the list, or no end. If a list is returned it may
  ///   still be malformed, but it has no strings, objects or deeper lists.
  init?(_ text: UnsafeBufferPointer<UInt8>, from start: Int) {
    var (rows, separators, isInRow, hasNumber) = (0, 0, false, false)
    for index in start..<text.count {
      switch text[index] {
      case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "+"),
        UInt8(ascii: "."), UInt8(ascii: "e"), UInt8(ascii: "E"):
        if !isInRow {
          if rows > 0 { return nil }
          hasNumber = true
        }
      case UInt8(ascii: ","): separators += 1
      case 0x20, 0x0A, 0x0D, 0x09: break
      case UInt8(ascii: "["):
        if isInRow || hasNumber { return nil }
        isInRow = true
        rows += 1
      case UInt8(ascii: "]"):
        guard isInRow else {
          self.rows = rows > 0 ? rows : nil
          numbers = separators + 1
          end = index + 1
          return
        }
        isInRow = false
      default: return nil
      }
    }
    return nil
  }
}

/// Lists of numbers in one piece of memory. The inputs of many steps are such lists: an array for
/// each would need several times as much.
struct JSONRows: Equatable, Sendable {
  private(set) var numbers: [Double] = []
  private var ends: [Int] = []

  /// - Parameters:
  ///   - numbers: most numbers of all rows
  ///   - rows: most rows
  init(numbers: Int, rows: Int) {
    self.numbers.reserveCapacity(numbers)
    ends.reserveCapacity(rows)
  }

  /// Appends a number to the last row.
  mutating func append(_ number: Double) { numbers.append(number) }

  mutating func endRow() { ends.append(numbers.count) }

  var count: Int { ends.count }

  subscript(row: Int) -> ArraySlice<Double> {
    numbers[(row == 0 ? 0 : ends[row - 1])..<ends[row]]
  }
}

/// The values of a list. Those that are numbers or rows are made when they are asked for.
struct JSONList: RandomAccessCollection, Sendable {
  private enum Values: Sendable {
    case any([JSONValue])
    case numbers([Double])
    case rows(JSONRows)
  }

  private let values: Values

  static let empty = JSONList(.any([]))

  private init(_ values: Values) { self.values = values }

  /// nil if the value is not a list.
  init?(_ value: JSONValue) {
    switch value {
    case .list(let list): values = .any(list)
    case .numbers(let numbers): values = .numbers(numbers)
    case .rows(let rows): values = .rows(rows)
    case .null, .bool, .number, .wholeNumber, .string, .object: return nil
    }
  }

  var startIndex: Int { 0 }

  var endIndex: Int {
    switch values {
    case .any(let list): list.count
    case .numbers(let numbers): numbers.count
    case .rows(let rows): rows.count
    }
  }

  subscript(index: Int) -> JSONValue {
    switch values {
    case .any(let list): list[index]
    case .numbers(let numbers): .number(numbers[index])
    case .rows(let rows): .numbers(Array(rows[index]))
    }
  }
}
