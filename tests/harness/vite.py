"""A small Vite app of React components, as its files."""

PACKAGE = """{
  "name": "app",
  "private": true,
  "type": "module",
  "scripts": {"dev": "vite", "build": "vite build"},
  "dependencies": {"react": "18.3.1", "react-dom": "18.3.1"},
  "devDependencies": {"vite": "6.4.1", "@vitejs/plugin-react": "4.3.4"}
}
"""

CONFIG = """import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'
export default defineConfig({ plugins: [react()] })
"""

PAGE = """<!doctype html>
<html>
  <head><title>app</title></head>
  <body><div id="root"></div><script type="module" src="/src/main.jsx"></script></body>
</html>
"""

MAIN = """import React from 'react'
import { createRoot } from 'react-dom/client'
import App from './App.jsx'
createRoot(document.getElementById('root')).render(<App />)
"""


def component(text):
    return f"export default function App() {{ return <h1>{text}</h1> }}\n"


def files(text):
    return {
        "package.json": PACKAGE,
        "vite.config.js": CONFIG,
        "index.html": PAGE,
        "src/main.jsx": MAIN,
        "src/App.jsx": component(text),
    }
