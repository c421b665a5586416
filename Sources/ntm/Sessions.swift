import ArgumentParser
import NTMModel
import NTMServer

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// What is done with stored sessions without a server.
struct Sessions: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "List, export, import and tidy the sessions of a store, without a server.",
    subcommands: [List.self, Export.self, Import.self, Vacuum.self])

  struct StoreArguments: ParsableArguments {
    @Option(
      help: ArgumentHelp("The store, as for ntm serve.", valueName: "sqlite:FILE"))
    var store = StoreOption.standard

    func path() throws -> String {
      try store.check()
      guard case .sqlite(let path) = store.location else {
        throw ValidationError("--store memory has no sessions without its server")
      }
      return path
    }
  }

  struct List: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "List the sessions: one a line, in the order in which they were made.",
      discussion: """
        Columns with a tab between them, under a heading; the last says why a session can't be used, \
        where that is so. Works beside a running server, which may have \
        newer steps that it has not saved yet.
        """)

    @OptionGroup var arguments: StoreArguments

    @Flag(help: "Print an object of JSON on each line instead.")
    var json = false

    func run() throws {
      let archive = try SessionArchive(path: arguments.path(), access: .look)
      var lines = OutputLines()
      if !json { try lines.add("id\tmodel\tstep\tlast_activity\tdamaged") }
      try archive.show { session in
        if json {
          try lines.add(session.json)
        } else {
          try lines.add(
            [
              session.id, session.model, "\(session.step)", session.lastActivity,
              session.damage ?? "",
            ].joined(separator: "\t"))
        }
      }
      try lines.flush()
    }
  }

  struct Export: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Write sessions' states to files, ID.safetensors.",
      discussion: """
        Such a file is what GET /sessions/ID/state gives; POST /sessions, ntm sessions import and any \
        safetensors library read it. The steps since the last stored state are taken again, which \
        needs the session's model.
        """)

    @OptionGroup var arguments: StoreArguments

    @Option(help: "Folder of model files.")
    var models = "Models"

    @Option(help: "Folder to write to; it is made where there is none.")
    var to = "."

    @Argument(help: "Names of sessions; all of them without.")
    var ids: [String] = []

    func run() throws {
      let archive = try SessionArchive(path: arguments.path(), access: .look)
      let pool = try ModelPool.load(folder: models, skippingBad: true) {
        printError("\($0): \($1)")
      }
      try FileManager.default.createDirectory(atPath: to, withIntermediateDirectories: true)
      var failures = 0
      let export = { (id: String) throws in
        let path = "\(to)/\(id).safetensors"
        do {
          try OutputFile.write(archive.state(of: id, pool), to: path)
        } catch {
          printError("\(id): \(error)")
          failures += 1
          return
        }
        try StandardOutput.print(path)
      }
      if ids.isEmpty {
        try archive.show { try export($0.id) }
      } else {
        for id in ids { try export(id) }
      }
      guard failures == 0 else {
        throw Failure("\(failures) \(failures == 1 ? "session was" : "sessions were") not exported")
      }
    }
  }

  struct Import: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Make sessions of files of states; print their names.",
      discussion: """
        A file that is named after a session, as ntm sessions export names it, becomes a session of \
        that name, unless there is one already. The server must not be running; while it is, \
        POST /sessions with the file as the body does the same.
        """)

    @OptionGroup var arguments: StoreArguments

    @Option(help: "Folder of model files; a state is checked by its model.")
    var models = "Models"

    @Option(help: "Time without use after which they end, or never.")
    var keepAlive = KeepAliveLimit(seconds: 30 * 86_400)

    @Argument(help: "Files (*.safetensors).")
    var files: [String]

    func run() throws {
      let pool = try ModelPool.load(folder: models, skippingBad: true) {
        printError("\($0): \($1)")
      }
      try arguments.store.prepare()
      let archive = try SessionArchive(path: arguments.path(), access: .change)
      defer { archive.close() }
      // All of them are checked before the first is made.
      let states = try files.map { path in
        guard let data = FileManager.default.contents(atPath: path) else {
          throw Failure("\(path) can't be read")
        }
        do {
          return try archive.check(
            [UInt8](data), name: Self.name(of: path), keepAlive: keepAlive.seconds, pool)
        } catch {
          throw Failure("\(path): \(error); nothing was imported")
        }
      }
      for id in try archive.add(states) { try StandardOutput.print(id) }
    }

    private static func name(of path: String) -> String {
      let file = path.split(separator: "/").last.map(String.init) ?? ""
      return file.hasSuffix(".safetensors") ? String(file.dropLast(12)) : file
    }
  }

  struct Vacuum: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Give room that the store does not need back to the disk.",
      discussion: "The server must not be running. Needs as much room again as the sessions take.")

    @OptionGroup var arguments: StoreArguments

    func run() throws {
      try arguments.store.checkRealPath()
      let archive = try SessionArchive(path: arguments.path(), access: .change)
      defer { archive.close() }
      let (before, after) = try archive.vacuum()
      try StandardOutput.print("\(before) bytes before, \(after) after")
    }
  }
}
