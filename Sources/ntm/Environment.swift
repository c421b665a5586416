import ArgumentParser
import NTMModel

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// Options from environment variables: `--session-ttl` is `NTM_SESSION_TTL`. What stands on the
/// command line wins.
struct Environment {
  let variables: [String: String]
  /// Values that are not UTF-8.
  let unreadable: [String: [UInt8]]

  init(variables: [String: String], unreadable: [String: [UInt8]] = [:]) {
    self.variables = variables
    self.unreadable = unreadable
  }

  static var current: Environment {
    var variables: [String: String] = [:]
    var unreadable: [String: [UInt8]] = [:]
    for (name, value) in ProcessArguments.environment() {
      if let text = String(validating: value, as: UTF8.self) {
        variables[name] = text
      } else {
        unreadable[name] = value
      }
    }
    return Environment(variables: variables, unreadable: unreadable)
  }

  /// Options of a subcommand that take a value, and those that don't.
  private static var options: [String: any EnvironmentOptions.Type] {
    ["serve": Serve.self, "health": Health.self]
  }

  /// The arguments with an option behind them for each variable that is set.
  ///
  /// - Throws: `ValidationError` if a variable is not UTF-8, or that of an option without value is
  ///   not a yes or no.
  func completing(_ arguments: [String]) throws -> [String] {
    guard let command = arguments.first, let options = Self.options[command] else {
      return arguments
    }
    try check("TMPDIR")
    var completed = arguments
    for name in options.valueOptions where !arguments.has(name) {
      guard let value = try value(of: name) else { continue }
      let values = options.listOptions.contains(name) ? value.elements : [value]
      completed += values.map { "--\(name)=\($0)" }
    }
    for name in options.flags where !arguments.has(name) {
      guard let value = try value(of: name) else { continue }
      switch value.lowercased() {
      case "1", "true", "yes", "on": completed.append("--\(name)")
      case "0", "false", "no", "off": break
      default:
        throw ValidationError(
          "\(Self.variable(name)) is \"\(value)\"; true and false are valid")
      }
    }
    return completed
  }

  private func check(_ variable: String) throws {
    guard let value = unreadable[variable] else { return }
    throw ValidationError(
      "\(variable) is \"\(String(escaping: value))\", which is not UTF-8; only UTF-8 is accepted, "
        + "also in names of files")
  }

  private func value(of option: String) throws -> String? {
    try check(Self.variable(option))
    // For a Service named ntm, Kubernetes sets NTM_PORT to an address of this form in every pod.
    return variables[Self.variable(option)].flatMap {
      $0.isEmpty || $0.hasPrefix("tcp://") ? nil : $0
    }
  }

  private static func variable(_ option: String) -> String {
    "NTM_" + option.uppercased().replacing("-", with: "_")
  }
}

/// A subcommand whose options environment variables can set.
protocol EnvironmentOptions {
  static var valueOptions: [String] { get }
  /// Those of them that may be there several times; a variable has commas between the values.
  static var listOptions: [String] { get }
  static var flags: [String] { get }
}

extension EnvironmentOptions {
  static var listOptions: [String] { [] }
}

extension String {
  /// What stands between commas, without spaces around it.
  fileprivate var elements: [String] {
    split(separator: ",").map { String($0.drop { $0 == " " }.prefix { $0 != " " }) }
      .filter { !$0.isEmpty }
  }
}

extension [String] {
  fileprivate func has(_ option: String) -> Bool {
    contains { $0 == "--\(option)" || $0.hasPrefix("--\(option)=") }
  }
}
